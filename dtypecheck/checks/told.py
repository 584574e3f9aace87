"""What messages about calls of a script have in common: under which condition one holds, and who gave a thing its dtype."""

from __future__ import annotations

from ..findings import Where
from ..subjects.cases import Case, words
from ..subjects.scripts import Call, Thing


def when(case: Case, call: Call) -> str:
    """` (when X)` for what holds only under conditions that the call itself does not stand under, else nothing."""
    left = case - call.case
    return f" (when {words(frozenset(sorted(left)[:2]))})" if left else ""


def two_questions(case: Case, call: Call) -> bool:
    """True where it hangs on two conditions, of which nobody knows what they have to do with each other."""
    return len({subject for subject, _, _ in case - call.case}) > 1


def maker(thing: Thing | None, call: Call) -> Where | None:
    """The place of the call that gave a thing its dtype; None where that is this one, or not known."""
    if thing is None:
        return None
    made = call.script.call(thing.caster if thing.caster is not None else thing.loader)
    return made.where if made and made.where != call.where else None
