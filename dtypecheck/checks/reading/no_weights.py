"""What stands where weights should is no weights, or weights that no loader reads."""

from __future__ import annotations

from ...read.header import NOT_UNDERSTOOD
from ..problem import OfKind


class NoWeights(OfKind):
    """What stands where weights should is no weights, or weights that no loader reads.

    A web page or an error message saved under the name of the file, another format under this suffix, a header that is none,
    a dtype that the format does not have. Loading stops.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: text "<!DOCTYPE html><title>Access denied</title>"
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT012"
    severity = "error"
    kind = NOT_UNDERSTOOD
    remedy = "download the file again, and look at its first bytes"
