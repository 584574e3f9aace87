"""Timesteps or sigmas are put in a half dtype, which cannot tell them apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call
from ..told import two_questions, when

_NAMED: Final = re.compile(r"^(?:[\w.]*[._])?(?:sigmas|timesteps)\s*(?:=|:[^=]*=)")
_MAKES: Final = ("torch.linspace", "torch.arange")


class ScheduleInHalf(Rule):
    """Timesteps or sigmas are put in a half dtype, which rounds them.

    bf16 has 8 significant bits: 750 becomes 752, and of 1001 even steps between 0 and 1 half fall together. Nothing fails; the model
    is told another time than the sampler means. Some pipelines of diffusers do it too, so it is a note. Scale in fp32, cast last.

    ```bad
    loop.py: |
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler

        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained("x", subfolder="scheduler")
        for t in scheduler.timesteps:
            timestep = t.expand(2).to(torch.bfloat16)
            noise = model(latents, timestep=timestep / 1000)
    ```

    ```bad
    loop.py: |
        import torch
        from diffusers import FluxTransformer2DModel

        sigmas = torch.linspace(1.0, 0.0, 1001, dtype=torch.bfloat16)
    ```

    ```good
    loop.py: |
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler

        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained("x", subfolder="scheduler")
        sigmas = torch.linspace(1.0, 0.0, 1001, dtype=torch.float32)
        for t in scheduler.timesteps:
            noise = model(latents.to(torch.bfloat16), timestep=t.expand(2).to("cuda", torch.float32) / 1000)
    ```
    """

    code = "DT222"
    severity = "note"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a cast of a schedule, or for making one."""
        made = call.result
        cast = call.means == "cast" and call.target is not None and "schedule" in call.target.flags
        built = call.means == "tensor" and call.what in _MAKES and bool(_NAMED.match(call.script.line(call.where)))
        if made is None or not (cast or built):
            return
        for case, dtype in made.dtype.dtypes():
            if dtype.is_half and not two_questions(case, call):
                what = (call.target.name if call.target else "") or "the schedule"
                yield self.finding(
                    call.where,
                    f"{what} {'is cast to' if cast else 'is made in'} {dtype.short}, which has {dtype.mantissa + 1} significant bits"
                    f"{when(case, call)}",
                    fix=Fix("scale it in torch.float32 and cast last"),
                    source=call.source,
                )
                return
