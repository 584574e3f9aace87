"""A model that is still trained is cast to a half dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, F16, F32
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Call, Script, Thing
from ..told import two_questions, when
from ..trained import trained

_HALF = (F16, BF16)


class TrainedModelCast(Rule):
    """A model that an optimizer goes on training is cast to a half dtype, most often as a part of a pipeline for a sample picture.

    `pipe.to(torch.float16)` casts the parts in place: the very parameters that are trained lose what fp16 cannot hold, and the next
    step trains them in fp16. Silent where no step follows the cast.

    ```bad
    train.py: |
        import torch
        from diffusers import StableDiffusionPipeline, UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet")
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        for step in range(1000):
            unet(noisy, step, embeds).sample.sub(noise).square().mean().backward()
            optimizer.step()
            if step % 100 == 0:
                pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", unet=unet)
                pipe.to("cuda", torch.float16)
                pipe("a cat").images[0].save(f"{step}.png")
    ```

    ```good
    train.py: |
        import copy
        import torch
        from diffusers import StableDiffusionPipeline, UNet2DConditionModel

        unet = UNet2DConditionModel.from_pretrained("runwayml/stable-diffusion-v1-5", subfolder="unet")
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)
        for step in range(1000):
            unet(noisy, step, embeds).sample.sub(noise).square().mean().backward()
            optimizer.step()
            sample = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", unet=copy.deepcopy(unet))
            sample.to("cuda", torch.float16)
        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", unet=unet)
        pipe.to("cuda", torch.float16)
        pipe("a cat").images[0].save("end.png")
    ```
    """

    code = "DT232"
    severity = "warning"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for each cast."""
        for call in script.calls:
            target, made = call.target, call.result
            if call.means not in ("cast", "derive") or target is None or made is None or not call.sure:
                continue
            for name, part in _parts(target):
                if "trained" not in part.flags or part.flags & {"touched", "quantised"} or not _goes_on(part, call, script):
                    continue
                found = next(((c, to) for c, was, to in pairs(part.dtype, made.dtype) if was is F32 and to in _HALF), None)
                if found is None or two_questions(found[0], call):
                    continue
                case, dtype = found
                yield self.finding(
                    call.where,
                    f"{name} is cast to {dtype.short} in place, and its fp32 parameters go on being trained{when(case, call)}",
                    because="a cast of a pipeline casts the modules that it holds, not copies of them",
                    fix=Fix("sample under torch.autocast, or cast a copy.deepcopy of the model"),
                    source=call.source,
                )
                break


def _parts(target: Thing) -> Iterator[tuple[str, Thing]]:
    """The models that a cast of this casts, by what a message calls them."""
    if target.kind == "model":
        yield target.label, target
    for name in target.fields if target.kind == "pipeline" else ():
        if (part := target.part(name)) is not None and part.kind == "model":
            yield f"{name} of {target.label}", part


def _goes_on(model: Thing, call: Call, script: Script) -> bool:
    """True where an optimizer with the model's parameters steps after a call, or in the loop that the call is made in."""
    for other in script.calls:
        optimizer = other.target
        if other.means != "steps" or optimizer is None or optimizer.kind != "optimizer":
            continue
        later = other.number > call.number or (other.loop != 0 and other.loop == call.loop)
        if later and any(thing.number == model.number for thing in trained(optimizer)):
            return True
    return False
