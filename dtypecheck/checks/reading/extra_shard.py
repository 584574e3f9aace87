"""Shards lie beside an index that does not name them: no loader reads them."""

from __future__ import annotations

from ...read.header import EXTRA_SHARD
from ..problem import OfKind


class ExtraShard(OfKind):
    """Shards lie beside an index that does not name them: no loader reads them.

    Often what is left of an older upload with another number of shards.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    diffusion_pytorch_model-00001-of-00001.safetensors: a F32 4
    diffusion_pytorch_model-00002-of-00002.safetensors: b F32 4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    diffusion_pytorch_model-00001-of-00001.safetensors: a F32 4
    ```
    """

    code = "DT007"
    severity = "warning"
    kind = EXTRA_SHARD
    remedy = "delete the shards that the index does not name"
