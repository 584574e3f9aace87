"""The baseline has an entry for a fault that is gone."""

from __future__ import annotations

from ...read.header import STALE_BASELINE
from ..problem import OfKind


class StaleBaseline(OfKind):
    """The baseline has an entry for a fault that is gone.

    It is mended, or what it stood in is. As long as the entry stands in the baseline it will mute the fault when that comes back.
    It is told only where the fault would have been seen: its file lies in what was looked at, its rule is selected and had
    something to look at, and the same dtype, variant and device were asked for as when the entry was made.

    ```bad
    $ --stale "DT118 of vae/config.json matches nothing any more"
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT017"
    severity = "note"
    kind = STALE_BASELINE
    remedy = "the same command with --write-baseline drops it"
