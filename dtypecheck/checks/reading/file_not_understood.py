"""A file of weights is in a format that is not looked into."""

from __future__ import annotations

from ...read.header import OTHER_FORMAT
from ..problem import OfKind


class FileNotUnderstood(OfKind):
    """A file of weights is in a format that is not looked into.

    Its dtypes were not looked at. ONNX, Flax, TensorFlow, TensorRT and TorchScript files are left alone by design.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    model.onnx: text "onnx"
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT002"
    severity = "note"
    in_gate = False
    kind = OTHER_FORMAT
