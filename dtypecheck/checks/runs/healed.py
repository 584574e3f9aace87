"""`--heal` stepped in so that the run could go on: what it did, what it cost, and what to do for good."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Healing
from ...subjects.shown import Run
from ..shown import component_name, place


class Healed(Rule):
    """The run went on only because `--heal` cast an input or ran a module in float32: without it, it would not have.

    Each healing is one finding with what it cost. Healing is for finding out whether a run can work at all: it costs time at
    every call and is gone with the next run. The fix is the change that makes it unnecessary.

    ```bad
    run: watched runs on cuda
    healed: cast unet.add_embedding.linear_1 F32->F16 | 12 times | cost 12 casts, 3 MB | instead load text_encoder_2 in fp16
    ```

    ```good
    run: watched runs on cuda
    event: promoted unet.time_proj mul F16+F32->F32 | by design
    ```
    """

    code = "DT318"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a healing."""
        for healing in run.healed:
            yield self.finding(
                place(run, healing.module),
                f"{healing.module or 'the model'} {_did(healing)}{_times(healing)}, or the run would not have gone on",
                because=f"it cost {healing.cost}" if healing.cost else "",
                fix=Fix(healing.permanent) if healing.permanent else None,
                source=f"{healing.what} {healing.dtype.name} {healing.to.name}",
                component=component_name(run, healing.module),
            )


def _did(healing: Healing) -> str:
    if healing.what == "cast":
        return f"had its input cast from {healing.dtype.short} to {healing.to.short}"
    return f"was run in {healing.to.short} in place of {healing.dtype.short}"


def _times(healing: Healing) -> str:
    return f" {healing.times:,} times" if healing.times > 1 else ""
