"""Models that a script trains: whose parameters an optimizer was given, and where these are fp16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..dtypes import F16
from ..findings import Finding, Fix, Where
from ..rule import Rule
from ..subjects.cases import NOTHING_KNOWN, Case, Seq
from ..subjects.scripts import Call, Thing, content
from .told import maker, when

_ELSEWHERE: Final = {"touched", "adapted", "prepared", "quantised"}
"""Flags of models whose parameters may have dtypes that nobody knows."""


@dataclass(frozen=True, slots=True)
class HalfTrained:
    """A model that is trained in fp16. condition: what that hangs on, in words; made: the call that put it in fp16."""

    model: Thing
    condition: str
    made: Where | None


class OfHalfTrained(Rule):
    """A rule about a model that is trained in fp16."""

    def tell(self, call: Call, found: HalfTrained, message: str, advice: str = "", **more: Any) -> Finding:
        """The finding at the call where that matters. advice: what could be done besides."""
        return self.finding(
            call.where,
            message + found.condition,
            against=found.made,
            fix=Fix(f"keep {found.model.label} in fp32 and train under torch.autocast{advice}"),
            source=call.source,
            **more,
        )


def half_trained(optimizer: Thing | None, call: Call) -> HalfTrained | None:
    """The first model in fp16 whose parameters an optimizer has; None where none is known to be. call: where that matters."""
    for model in trained(optimizer):
        if model.flags & _ELSEWHERE:
            continue
        case = next((case for case, dtype in model.dtype.dtypes() if dtype is F16 and _sure(case, call)), None)
        if case is not None:
            return HalfTrained(model, when(case, call), maker(model, call))
    return None


def _sure(case: Case, call: Call) -> bool:
    """False for what hangs on a setting: scripts with one put the trained parameters back in fp32 under the same setting elsewhere."""
    return all("cuda.is_available" in subject for subject, _, _ in case - call.case)


def trained(optimizer: Thing | None) -> Iterator[Thing]:
    """The models whose parameters an optimizer has, as far as they are known."""
    given = content(optimizer.fields.get("params", NOTHING_KNOWN)) if optimizer is not None else None
    for item in given.items if isinstance(given, Seq) else ():
        parameters = item.single
        model = parameters.part("of") if isinstance(parameters, Thing) else None
        if model is not None:
            yield model
