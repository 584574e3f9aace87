"""A module's whole output became zero: the products were smaller than the smallest number of the dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Producer
from ...subjects.shown import Run
from ..shown import code_line, component_name, more, place
from ..spoilt import history, place_of, producers
from ..words import amount


class UnderflowToZero(Rule):
    """A module made zeros alone of inputs and weights that are not zero: they were too small for its dtype.

    fp16 has nothing between zero and 6e-08, and below 6.1e-05 it loses digits. Gradients, tiny scales and epsilons of 1e-8
    vanish there; what divides by them becomes inf or NaN later. bf16 reaches as far down as fp32. Layers that are zero on
    purpose (the zero convolutions of a new ControlNet) have zero weights and are not meant.

    ```bad
    run: watched runs on cuda
    producer: underflow unet.time_embedding.linear_1 F16 | largest 0.0001
    ```

    ```good
    run: watched runs on cuda
    module: controlnet.controlnet_mid_block Conv2d F16->F16 | largest 0
    ```
    """

    code = "DT310"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such module."""
        groups: dict[str, list[Producer]] = {}
        for producer in producers(run, "underflow"):
            groups.setdefault(component_name(run, producer.module), []).append(producer)
        for name, group in groups.items():
            first = group[0]
            largest = f" (inputs up to {amount(first.absmax_in)})" if first.absmax_in is not None else ""
            fix = (
                f"run {name or 'it'} in bf16 or fp32, whose smallest numbers are far smaller" if first.dtype.name == "F16" else ""
            )
            yield self.finding(
                place(run, first.module),
                f"{place_of(first)}{more(len(group) - 1)} gave nothing but zeros in {first.dtype.short}, "
                f"whose smallest number is {amount(first.dtype.smallest)}{largest}",
                against=code_line(first.glue),
                because="; ".join(history(run, group[:1])),
                fix=Fix(fix) if fix else None,
                source=f"{first.dtype.name} {'' if first.module else first.glue}",
                component=name,
            )
