"""The two halves of a checkpoint, the model and its running average, do not fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Counted, Numbers, Survey, Values
from ..tensors import are, some, where


class EmaDiffers(Rule):
    """The two halves of a checkpoint, the model and its running average, do not fit each other.

    Training programs keep an average (EMA) of the model beside it, under names without dots. Both should have the same tensors in
    the same dtype; a half that is NaN, all zeros or incomplete is a broken save, and whoever loads that half gets it. Programs
    differ in which half they load.

    ```bad
    $ --values quick
    a.ckpt.safetensors: model.diffusion_model.input_blocks.0.0.weight F32 4x4 = 0.5; model.diffusion_model.output_blocks.11.0.skip_connection.weight F32 4x4 = 0.1; model_ema.diffusion_modelinput_blocks00weight F32 4x4 = nan; model_ema.diffusion_modeloutput_blocks110skip_connectionweight F32 4x4 = 0.1; model_ema.decay F32 - = 1
    ```

    ```good
    $ --values quick
    a.ckpt.safetensors: model.diffusion_model.input_blocks.0.0.weight F32 4x4 = 0.5; model.diffusion_model.output_blocks.11.0.skip_connection.weight F32 4x4 = 0.1; model_ema.diffusion_modelinput_blocks00weight F32 4x4 = 0.4; model_ema.diffusion_modeloutput_blocks110skip_connectionweight F32 4x4 = 0.1; model_ema.decay F32 - = 1
    ```
    """

    code = "DT406"
    severity = "warning"

    def check(self, survey: Survey, known: Knowledge) -> Iterator[Finding]:
        """One finding for each way in which the halves of a file differ."""
        average = next((v for v in survey.values if v.component.role == "unused" and v.component.name == "ema"), None)
        model = next((v for v in survey.values if v.component.role == "denoiser"), None)
        if average is None or model is None or average.shown is None or model.shown is None:
            return
        ours, theirs = _by_name(model.shown), _by_name(average.shown)
        if not ours.keys() & theirs.keys():
            return
        for what, found in _differences(ours, theirs):
            yield self.finding(
                where(found[0]),
                f"the {model.component.label} and its EMA in {found[0].path}: {what}: {some([n.key for n in found])}",
                because="programs differ in which of the two they load",
                fix=Fix(f"load the half that is whole: {_whole(model, average)}", lossless=True)
                if _whole(model, average)
                else None,
                source=what,
                component=model.component.name,
                also=(average.component.name,),
            )


def _by_name(counted: Counted) -> dict[str, Numbers]:
    """The tensors by the name that both halves share: without the first part of the key, and without dots."""
    return {numbers.key.partition(".")[2].replace(".", ""): numbers for numbers in counted.numbers}


def _differences(ours: dict[str, Numbers], theirs: dict[str, Numbers]) -> Iterator[tuple[str, list[Numbers]]]:
    both = sorted(ours.keys() & theirs.keys(), key=lambda name: ours[name].start)
    if missing := [ours[name] for name in ours if name not in theirs]:
        yield f"{are(len(missing))} not in the EMA", missing
    other = [theirs[name] for name in both if ours[name].dtype is not theirs[name].dtype]
    if other:
        dtypes = f"{ours[_name(ours, theirs, other[0])].dtype.short} in the model and {other[0].dtype.short} in the EMA"
        yield f"{are(len(other))} {dtypes}", other
    if shaped := [theirs[name] for name in both if ours[name].shape != theirs[name].shape]:
        yield f"{are(len(shaped))} of another shape in the EMA", shaped
    for half, here, there in (("model", ours, theirs), ("EMA", theirs, ours)):
        if broken := [here[name] for name in both if not here[name].finite and there[name].finite]:
            yield f"{are(len(broken))} NaN or inf in the {half} alone", broken
        if dead := [here[name] for name in both if here[name].dead and there[name].absmax]:
            yield f"{are(len(dead))} all zeros in the {half} alone", dead


def _name(ours: dict[str, Numbers], theirs: dict[str, Numbers], numbers: Numbers) -> str:
    return next(name for name in ours if theirs.get(name) is numbers)


def _whole(model: Values, average: Values) -> str:
    """Which half has only finite numbers and no weight that is zero in it alone; "" where both or none have."""
    sound = {
        name: all(numbers.finite for numbers in values.shown.numbers)
        for name, values in (("the model", model), ("the EMA", average))
        if values.shown
    }
    good = [name for name, fine in sound.items() if fine]
    return good[0] if len(good) == 1 else ""
