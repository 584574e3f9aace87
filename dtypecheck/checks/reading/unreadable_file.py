"""A file or folder cannot be read."""

from __future__ import annotations

from ...read.header import UNREADABLE
from ..problem import OfKind


class UnreadableFile(OfKind):
    """A file or folder cannot be read.

    Permissions, a link that points to nothing, or a disk that gives errors. What it holds was not looked at, so nothing
    that this report says is about it.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: unreadable Permission denied
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT001"
    severity = "error"
    kind = UNREADABLE
    remedy = "make it readable for the user that scans, or remove it"
