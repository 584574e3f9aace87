"""What the casts of a plan cost: every tensor that would be narrowed is read, and a step that overflows is not offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...dtypes import can_hold
from ...edits import Store
from ...files import Files
from ...fixplan import FixPlan, Refused, Step
from ..cast import Layout, Overflow, Tally, laid_out, losses

if TYPE_CHECKING:
    from ..apply import Progress


def with_costs(files: Files, plan: FixPlan, told: Callable[[Progress], None] | None = None) -> FixPlan:
    """The plan with the losses of its casts in words; a step that would make inf of a finite number is refused instead.

    errors: Refusal where the numbers cannot be read at all (numpy is missing).
    """
    layouts = {step: _narrowing(files, step) for step in plan.steps}
    total = sum(part.place.nbytes for found in layouts.values() for layout in found for part in layout.parts if part.cast)
    done = 0
    steps: list[Step] = []
    refused = list(plan.refused)
    for step in plan.steps:
        if not layouts[step]:
            steps.append(step)
            continue
        told_losses: list[Tally] = []
        overflows: list[Overflow] = []
        for layout in layouts[step]:

            def at(count: int, path: str = layout.path) -> None:
                nonlocal done
                done += count
                if told:
                    from ..apply import Progress

                    told(Progress(min(done, total), total, path))

            found = losses(files, layout, at)
            told_losses.append(found.total)
            overflows += found.overflows
        if overflows and not _clamps(step):
            first = overflows[0].refusal()
            more = f" (and {len(overflows) - 1} more tensors)" if len(overflows) > 1 else ""
            refused.append(Refused(step.place, f"{step.change}: {first}{more}", step.codes, first.offers))
            continue
        words = str(sum(told_losses[1:], told_losses[0]))
        words = words.replace("overflow,", "are cut to the largest number,") if _clamps(step) else words
        steps.append(replace(step, costs=(words, *step.costs)))
    return replace(plan, steps=tuple(steps), refused=tuple(refused))


def _narrowing(files: Files, step: Step) -> list[Layout]:
    """The weight files of a step in which numbers are cast, unless none can be lost."""
    if step.lossless and not any(isinstance(edit, Store) for edit in step.edits):
        return []
    found = [laid_out(files, edit) for edit in step.edits if isinstance(edit, Store)]
    return [layout for layout in found if any(part.cast and not can_hold(part.dtype, part.place.dtype) for part in layout.parts)]


def _clamps(step: Step) -> bool:
    return any(isinstance(edit, Store) and edit.clamp for edit in step.edits)
