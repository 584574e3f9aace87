"""A fix plan, and what became of it, as plain data."""

from __future__ import annotations

from typing import Any

from ..fixing.planfile import document
from ..fixplan import Mending


def fix(mending: Mending) -> dict[str, Any]:
    """state, the plan itself (as -o plan.json has it), the steps left out, what was measured, why it was rolled back."""
    plan = document(mending.plan)
    return {
        "state": mending.state,
        "steps": plan["steps"],
        "refused": plan["refused"],
        "files": plan["files"],
        "left_out": [step.place for step in mending.left_out],
        "place": mending.place or None,
        "measured": list(mending.measured),
        "reasons": list(mending.reasons),
    }
