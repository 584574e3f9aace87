"""An optimizer steps parameters that are in half themselves: updates round away, epsilon vanishes, states turn NaN."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...dtypes import F16, DType
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, code_line, half_of, more, place
from ..words import amount

_NAMELESS: Final = "parameters of no module that was called"
_EPS: Final = re.compile(r"\beps(?:ilon)?[ =:]*([0-9][0-9.]*(?:e-?[0-9]{1,3})?)")


class OptimizerInHalf(Rule):
    """An optimizer steps parameters in half, without a float32 copy of them.

    The step of one update is often smaller than the last digit of the parameter: in fp16 below 0.05 % of it, in bf16 below
    0.4 %, it is rounded away. In fp16 Adam's epsilon of 1e-8 is zero besides, and an update of 0 / 0 is NaN. Training wholly in
    bf16 is common, and a note; fp16 is a warning where epsilon vanishes; parameters or states that are no longer finite are an
    error.

    ```bad
    run: watched runs on cuda
    event: optimizer unet.conv_in AdamW F16 | by train.py:40 eps 1e-08
    ```

    ```bad
    run: watched runs on cuda
    event: optimizer-nan text_encoder.embeddings AdamW F16 | by train.py:40
    ```

    ```good
    run: watched runs on cuda
    event: optimizer unet.conv_in AdamW F16 | by train.py:40 eps 1e-08 | by design
    ```

    ```good
    run: watched runs on cuda
    event: scaler unet.lora_A GradScaler BF16
    ```
    """

    code = "DT317"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component and kind; what is not finite any more is told alone."""
        broken = set()
        for name, events in by_component(run, "optimizer-nan"):
            broken.add(name)
            yield self._broken(run, name, events)
        for name, events in by_component(run, "optimizer"):
            if name not in broken:
                yield self._half(run, name, events)

    def _broken(self, run: Run, name: str, events: list[Event]) -> Finding:
        first = events[0]
        dtype = half_of(first)
        gradient = "gradient" in first.by
        why = "its gradient was not finite: an overflow in the backward pass" if gradient else _why(first, dtype)
        return self.finding(
            place(run, first.module),
            f"{first.module or _NAMELESS}{more(len(events) - 1)} ({dtype.short}) is not finite any more after step {first.times:,} "
            f"of {_who(first)}: it trains nothing from here on",
            severity="error",
            against=code_line(first.by),
            because=f"{what}; {why}" if (what := _broke(first)) else why,
            fix=_remedy(dtype),
            source=f"nan {first.operator} {dtype.name}",
            component=name,
        )

    def _half(self, run: Run, name: str, events: list[Event]) -> Finding:
        first = events[0]
        dtype = half_of(first)
        steps = "steps" if len(events) == 1 else "and its like step"
        vanishes = _vanishes(first, dtype)
        worst: Severity = "warning" if vanishes else "note"
        return self.finding(
            place(run, first.module),
            f"{_who(first)} {steps} {dtype.short} parameters: {first.module or _NAMELESS}{more(len(events) - 1)}"
            + (f"; its epsilon of {amount(_eps(first))} is zero in fp16" if vanishes else ""),
            severity=worst,
            against=code_line(first.by),
            because=_why(first, dtype),
            fix=_remedy(dtype),
            source=f"{first.operator} {dtype.name}",
            component=name,
        )


def _who(event: Event) -> str:
    return event.operator or "the optimizer"


def _broke(event: Event) -> str:
    """What became NaN, where that is not the parameter itself: `exp_avg`."""
    word = event.by.partition(" ")[2].partition(" in step ")[0]
    return f"its {word} went first" if word.isidentifier() else ""


def _eps(event: Event) -> float:
    """The epsilon that the optimizer was given, 0 where it has none to speak of."""
    told = _EPS.search(event.by)
    return float(told[1]) if told else 0.0


def _vanishes(event: Event, dtype: DType) -> bool:
    """True where an epsilon is rounded to zero, below half of the smallest number: its states are fp16 too, and no fused kernel
    keeps it in float32."""
    alike = all(kept is F16 for kept in event.dtypes)
    return dtype is F16 and alike and "fused" not in event.by.split() and 0 < _eps(event) <= dtype.smallest / 2


def _why(event: Event, dtype: DType) -> str:
    share = 100 * 2.0 ** -(dtype.mantissa + 1)
    small = f"an update below {share:.2g} % of a parameter is rounded away in {dtype.short}"
    return f"{small}; 0 / 0 where the second moment underflows is NaN" if _vanishes(event, dtype) else small


def _remedy(dtype: DType) -> Fix:
    also = "" if dtype is not F16 else ", or take bf16"
    return Fix(f"keep what is trained in float32 and run the forward pass in torch.autocast{also}")
