"""A component's output in its own dtype is not what it is in float32: quality that was lost without NaN."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Final

from ...dtypes import BF16
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Departure
from ...subjects.shown import Run
from ..out_of_range import cures
from ..shown import component_of, place, role_of
from ..support import facts, severity, why

MUCH: Final = 0.1
"""Relative error, in the sense of ||x - y|| / ||y||, from which it is a warning: a tenth is a signal-to-noise ratio of 20 dB."""
UNITS: Final = 16
"""Unit roundoffs that rounding alone may come to, below which it is silent: twice the 7 that deep nets were measured to reach."""


class PrecisionLost(Rule):
    """A component's first call gives something else than the same call in float32: digits were lost, without NaN and without a word.

    `--confirm` runs the first call of each component again in float32 and measures ||x - y|| / ||y||. Rounding alone came to 2 to
    7 unit roundoffs (fp16: 0.1 to 0.3 %, bf16: 0.9 to 2.5 %) in a UNet, a VAE's decoder, CLIP, T5 and a Llama of 32 layers. Up
    to 16 is silent (fp16: 0.8 %, bf16: 6 %), more is a note, and from 10 % on, a signal-to-noise ratio of 20 dB, a warning. The
    first module that departs is named.

    ```bad
    run: watched runs on cuda
    departure: transformer F16 0.31 | first transformer.transformer_blocks.0.attn1 0.12
    ```

    ```good
    run: watched runs on cuda
    departure: transformer F16 0.0021
    ```

    ```good
    run: watched runs on cuda
    departure: transformer BF16 0.031
    ```
    """

    code = "DT319"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component that departs by more than rounding explains."""
        for departure in run.departures:
            if not departure.error <= rounding(departure):
                yield self._tell(run, departure, known)

    def _tell(self, run: Run, departure: Departure, known: Knowledge) -> Finding:
        at = departure.module or departure.component
        much: Severity = "note" if departure.error < MUCH else "warning"
        off = f" ({_share(departure.module_error)})" if departure.module_error else ""
        first = f"; the first to depart is {departure.module}{off}" if departure.module else ""
        part = component_of(run, departure.component)
        row = facts(part, known) if part else {}
        title = _advice(run, departure, known)
        return self.finding(
            place(run, at),
            f"{departure.component or 'the model'} in {departure.dtype.short} is {_share(departure.error)} off what it gives in fp32{first}",
            severity=much,
            because=why(row, departure.dtype).rstrip(".") if severity(row, departure.dtype) else "",
            fix=Fix(title) if title else None,
            source=departure.dtype.name,
            component=departure.component,
        )


def rounding(departure: Departure) -> float:
    """The relative error that rounding alone may come to."""
    return UNITS * 2.0 ** -(departure.dtype.mantissa + 1)


def _share(error: float) -> str:
    return f"{100 * error:.2g} %" if isfinite(error) and error < 100 else "wholly"


def _advice(run: Run, departure: Departure, known: Knowledge) -> str:
    """The dtype with more digits; of fp16 the range may be what lacks, so that bf16 is named too."""
    if departure.dtype is BF16:
        name = departure.component or "it"
        other = "fp16 or fp32" if role_of(run, departure.component, known) != "vae" else "fp32"
        return (
            f"run {name} in {other}, which have more digits" if "or" in other else f"run {name} in {other}, which has more digits"
        )
    fix, _ = cures(run, departure.component, departure.dtype, known)
    return fix.title if fix else ""
