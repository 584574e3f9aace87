"""A file of the model names another file outside of its folder."""

from __future__ import annotations

from ...read.header import PATH_ESCAPE
from ..problem import OfKind


class PathEscape(OfKind):
    """A file of the model names another file outside of its folder.

    Nothing was read there.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "../../secret.safetensors"}}
    diffusion_pytorch_model.safetensors: a F32 4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    diffusion_pytorch_model-00001-of-00001.safetensors: a F32 4
    ```
    """

    code = "DT010"
    severity = "error"
    kind = PATH_ESCAPE
    remedy = "do not load this model before its index names files of its own folder only"
