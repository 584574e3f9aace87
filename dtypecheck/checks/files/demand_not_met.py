"""The policy demands something of a deployment that this model does not meet."""

from __future__ import annotations

from ...read.header import DEMAND
from ..problem import OfKind


class DemandNotMet(OfKind):
    """The policy demands something of a deployment that this model does not meet.

    `[tool.dtypecheck.gate]`, or the file of `--policy`, says what a team wants besides that a model runs: dtypes that a part
    must be in (`require = {vae = ["bfloat16", "float32"]}`) or a class must not be in (`forbid = {T5EncoderModel = ["float16"]}`),
    no pickles (`forbid-pickles = true`), at most so many bytes after loading (`max-bytes = "7GB"`). Only `dtypecheck gate`
    looks at it. A component or class that a model does not have meets every demand.

    ```bad
    $ --dtype float16 --policy 'require = {vae = ["bfloat16", "float32"]}'
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```bad
    $ --policy 'forbid-pickles = true'
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.bin: decoder.conv_in.weight F32 4x4
    ```

    ```good
    $ --dtype bfloat16 --policy 'require = {vae = ["bfloat16", "float32"]}'
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    vae/config.json: {"_class_name": "AutoencoderKL"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT124"
    severity = "error"
    kind = DEMAND
    remedy = "change the model or what is asked for, or the policy"
