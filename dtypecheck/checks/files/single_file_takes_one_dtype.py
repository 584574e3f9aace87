"""A dtype per component was asked for, and from_single_file takes none."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Pipeline


class SingleFileTakesOneDtype(Rule):
    """A dtype per component was asked for, and from_single_file takes none: it loads all of the file in float32.

    diffusers only warns in its log, and the memory doubles.

    ```bad
    $ --dtype float16,vae=float32
    model.safetensors: model.diffusion_model.input_blocks.0.0.weight F16 8x8; first_stage_model.decoder.conv_in.weight F16 8x8
    ```

    ```good
    $ --dtype float16
    model.safetensors: model.diffusion_model.input_blocks.0.0.weight F16 8x8; first_stage_model.decoder.conv_in.weight F16 8x8
    ```
    """

    code = "DT123"
    severity = "warning"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a file."""
        if pipeline.request.dropped:
            names = ", ".join(pipeline.request.dropped)
            yield self.finding(
                Where(pipeline.path),
                f"a dtype of its own was asked for {names}, and from_single_file takes one for all: all of it is loaded in fp32",
                because="a dict is no torch.dtype to it; it says so in its log and goes on in float32",
                fix=Fix(f"pass one torch_dtype, and {names} as a component that was loaded on its own"),
                source=names,
            )
