"""Numbers that stand at the largest value of their dtype: clipped there, finite and yet wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Producer
from ...subjects.shown import Run
from ..out_of_range import cures
from ..shown import code_line, component_name, more, place
from ..spoilt import history, place_of, producers, replayed
from ..words import amount


class NumbersSaturated(Rule):
    """The output of a module stands at the largest number of its dtype: something clipped an overflow, and the numbers are wrong.

    Models that overflow in fp16 are often patched with `clip(-65504, 65504)`. That keeps inf out and NaN away, and gives
    wrong numbers in place of large ones: colours and details drift, and nothing says so. Masks, which hold the smallest number
    of their dtype on purpose, are not meant.

    ```bad
    run: watched runs on cuda
    producer: saturated transformer.transformer_blocks.30 F16 | 50 times | reaches transformer
    ```

    ```good
    run: watched runs on cuda
    module: transformer.transformer_blocks.30 Block F16->F16 | largest 65504
    ```

    ```good
    run: watched runs on cuda
    producer: underflow unet.mid_block F16
    ```
    """

    code = "DT308"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such module."""
        groups: dict[str, list[Producer]] = {}
        for producer in producers(run, "saturated"):
            groups.setdefault(component_name(run, producer.module), []).append(producer)
        for name, group in groups.items():
            first = group[0]
            fix, others = cures(run, first.module, first.dtype, known)
            stands = "stands" if len(group) == 1 else "stand"
            said = [*history(run, group[:1]), *([replayed(first.replay, first.dtype)] if first.replay else [])]
            yield self.finding(
                place(run, first.module),
                f"{place_of(first)}{more(len(group) - 1)} {stands} at the limit of {first.dtype.short}, "
                f"{amount(first.dtype.largest)}: the numbers were clipped there, finite and yet wrong",
                against=code_line(first.glue),
                because="; ".join(said),
                fix=fix,
                alternatives=others,
                source=f"{first.dtype.name} {'' if first.module else first.glue}",
                component=name,
            )
