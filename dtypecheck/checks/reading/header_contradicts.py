"""The header of a weight file contradicts itself or the size of the file."""

from __future__ import annotations

from ...read.header import CONTRADICTS
from ..problem import OfKind


class HeaderContradicts(OfKind):
    """The header of a weight file contradicts itself or the size of the file.

    Shapes and dtypes ask for other numbers of bytes than the offsets give, tensors overlap, names repeat, or bytes follow the
    last tensor. safetensors refuses such a file.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 | add 3
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT004"
    severity = "error"
    kind = CONTRADICTS
    remedy = "save the file again with safetensors, or download it again"
