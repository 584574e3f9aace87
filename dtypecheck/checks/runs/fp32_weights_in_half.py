"""Weights in float32 were computed in half: autocast does that, at the price of twice the memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, half_of, more, place

_NORM: Final = "the CPU takes a half input with fp32 weights here, a GPU refuses it"


class Fp32WeightsInHalf(Rule):
    """A component with float32 weights ran in half: autocast casts its weights at every call.

    For training that is how it should be. For inference the weights take twice the memory and each call casts them again; the
    numbers are no better than with weights in half. A norm of PyTorch that is given half and holds float32 runs on a CPU alone:
    a GPU refuses it. A VAE inside autocast is another finding: it overflows there.

    ```bad
    run: watched runs on cuda
    event: lowered unet.conv_in conv2d F32->F16 | 50 times
    ```

    ```good
    run: watched runs on cuda
    event: lowered unet.conv_in conv2d F32->F16 | by design
    ```

    ```good
    run: watched runs on cuda
    event: autocast vae.decoder.conv_in conv2d F32->F16
    ```
    """

    code = "DT315"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such module; what is said of a VAE inside autocast is not said again."""
        elsewhere = {name for name, _ in by_component(run, "autocast")}
        for name, events in by_component(run, "lowered"):
            if name not in elsewhere:
                yield self._tell(run, name, events)

    def _tell(self, run: Run, name: str, events: list[Event]) -> Finding:
        first = events[0]
        dtype = half_of(first)
        runs = "runs" if len(events) == 1 else "run"
        norm = "norm" in first.operator
        parts = [_NORM] * norm + [f"made so by {first.by}"] * bool(first.by)
        what = first.module or name or "the model"
        title = (
            f"{what}.to(torch.{dtype.torch}), or give it float32"
            if norm
            else f"for inference load {name or 'it'} with torch_dtype=torch.{dtype.torch} and leave autocast out: half the memory"
        )
        return self.finding(
            place(run, first.module),
            f"{what}{more(len(events) - 1)} {runs} in {dtype.short} with weights in fp32",
            because="; ".join(parts),
            fix=Fix(title),
            source=dtype.name,
            component=name,
        )
