"""A torch file asks for code to be called while it is unpickled."""

from __future__ import annotations

from ...read.header import WANTS_CODE
from ..problem import OfKind


class PickleWantsCode(OfKind):
    """A torch file asks for code to be called while it is unpickled.

    `torch.load` with `weights_only=True` refuses it; with `weights_only=False` the code runs. The tensors were read without
    running anything.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.bin: calls os.system
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT009"
    severity = "error"
    kind = WANTS_CODE
    remedy = "use a safetensors file from a source you trust"
