"""Shards and their index do not fit: a shard is missing, misses tensors, or no index names it."""

from __future__ import annotations

from ...read.header import MISSING_SHARD
from ..problem import OfKind


class MissingShard(OfKind):
    """Shards and their index do not fit: a shard is missing, misses tensors, or no index names it.

    from_pretrained stops with an error that names the file.

    ```bad
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    diffusion_pytorch_model-00001-of-00002.safetensors: a F32 4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors", "b": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    diffusion_pytorch_model-00001-of-00002.safetensors: a F32 4
    diffusion_pytorch_model-00002-of-00002.safetensors: b F32 4
    ```
    """

    code = "DT006"
    severity = "error"
    kind = MISSING_SHARD
    remedy = "download all files that the index names"
