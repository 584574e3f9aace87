"""A file of weights is in a format, or in a spelling, that is not understood."""

from __future__ import annotations

from ...read.header import NOT_UNDERSTOOD
from ..problem import OfKind


class FileNotUnderstood(OfKind):
    """A file of weights is in a format, or in a spelling, that is not understood.

    Its dtypes were not looked at. ONNX, Flax, TensorFlow and TensorRT files are left alone by design; anything else that stands
    where safetensors or torch weights should stand is worth a look.

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
    kind = NOT_UNDERSTOOD
