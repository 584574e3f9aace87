"""A component has no weights at all."""

from __future__ import annotations

from ...read.header import WEIGHTS_MISSING
from ..problem import OfKind


class WeightsMissing(OfKind):
    """A component has no weights at all.

    from_pretrained stops with `no file named ... found in directory`. A warning only, because a folder of configs is also what
    CI keeps of a model that lies elsewhere; nothing is said about the dtypes of such a component.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT011"
    severity = "warning"
    kind = WEIGHTS_MISSING
    remedy = "download the component, or pass it to from_pretrained (None for an optional one)"
