"""A module came near the largest number of its dtype: this run was finite, another prompt or size may not be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...dtypes import F16
from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import ModuleRow, Run
from ..out_of_range import cures
from ..shown import component_name, place
from ..words import of_limit

FEWEST_BITS: Final = 1.0
"""Doublings that are left. One: another seed or prompt easily moves the largest activation of a layer by a factor of two."""


class LittleHeadroom(Rule):
    """The largest output of a module came within a factor of two of its half dtype's limit, in a component that did not overflow.

    Nothing is wrong with this run. The largest activation differs from prompt to prompt, and grows with the size of the picture
    and with a LoRA's scale: the next run may be the black one. In practice that is fp16; bf16 has the range of fp32. What
    stands exactly at the limit is not meant: a mask does so on purpose, and numbers clipped there are another finding.

    ```bad
    run: watched runs on cuda
    module: vae.decoder.mid_block.resnets.0.conv2 Conv2d F16->F16 | largest 58112
    ```

    ```good
    run: watched runs on cuda
    module: vae.decoder.mid_block.resnets.0.conv2 Conv2d F16->F16 | largest 30000
    ```

    ```good
    run: watched runs on cuda
    module: vae.decoder.mid_block.resnets.0.conv2 Conv2d F32->F32 | largest 58112
    ```

    ```good
    run: watched runs on cuda
    module: text_encoder.mask Mask F16->F16 | largest 65504
    ```
    """

    code = "DT309"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the module with the least room."""
        told = {component_name(run, producer.module) for producer in run.producers if producer.kind != "underflow"}
        near: dict[str, list[ModuleRow]] = {}
        for row in run.modules:
            if _near(row) and (name := component_name(run, row.module)) not in told:
                near.setdefault(name, []).append(row)
        for name, rows in near.items():
            yield self._tell(run, name, rows, known)

    def _tell(self, run: Run, name: str, rows: list[ModuleRow], known: Knowledge) -> Finding:
        worst = max(rows, key=lambda row: row.absmax or 0.0)
        dtype = worst.dtype_out or F16
        others = f"; {len(rows) - 1:,} more came within a factor of two" if len(rows) > 1 else ""
        fix, alternatives = cures(run, worst.module, dtype, known)
        return self.finding(
            place(run, worst.module),
            f"{worst.module or 'the model'} reached {of_limit(worst.absmax or 0.0, dtype)} in {dtype.short}{others}",
            because=f"nothing in {name or 'it'} overflowed in this run; another prompt, size or adapter may go past it",
            fix=fix,
            alternatives=alternatives,
            source=dtype.name,
            component=name,
        )


def _near(row: ModuleRow) -> bool:
    """True for a half output with less than one doubling left that is not at the very limit."""
    dtype, bits = row.dtype_out, row.headroom_bits
    return dtype is not None and dtype.is_half and bits is not None and 0 < bits < FEWEST_BITS
