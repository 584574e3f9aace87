"""A weight file is shorter than its header says: a download or a copy was cut short."""

from __future__ import annotations

from ...read.header import TRUNCATED
from ..problem import OfKind


class TruncatedFile(OfKind):
    """A weight file is shorter than its header says: a download or a copy was cut short.

    Loading it raises `SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered`, or
    `PytorchStreamReader failed reading zip archive` for a torch file.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 | cut 8
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT003"
    severity = "error"
    kind = TRUNCATED
    remedy = "download the file again and compare its sha256"
