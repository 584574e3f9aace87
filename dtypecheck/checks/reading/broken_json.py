"""A JSON file of the model cannot be parsed."""

from __future__ import annotations

from ...read.header import BROKEN_JSON
from ..problem import OfKind


class BrokenJson(OfKind):
    """A JSON file of the model cannot be parsed.

    The libraries stop with a JSONDecodeError that names no file. Frequent causes: marks of a merge conflict, two documents in
    one file, a download cut short.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    scheduler_config.json: text "{"
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    scheduler_config.json: {}
    ```
    """

    code = "DT008"
    severity = "error"
    kind = BROKEN_JSON
    remedy = "repair or download the file again"
