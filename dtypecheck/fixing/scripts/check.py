"""Scripts after a fix: they parse, what the plan answers is gone from them, and nothing new is in them."""

from __future__ import annotations

from collections.abc import Sequence

from ...edits import Splice
from ...engine.scripts import Resolve
from ...files import Files
from ...fixplan import FixPlan
from ...knowledge import Knowledge
from ...subjects import Request
from .judged import Judged


def scripts_checked(
    before: Files,
    now: Files,
    plan: FixPlan,
    request: Request,
    known: Knowledge,
    resolve: Resolve | None = None,
    arguments: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """Reasons to take a fix back, and what was looked at, a line each, for every script that the plan edits."""
    reasons: list[str] = []
    codes: set[str] = set()
    paths = edited(plan)
    for path in paths:
        old = Judged(path, before.read(path), request, known, resolve, arguments)
        new = old.after(now.read(path))
        if wrong := old.worse(new):
            reasons.append(f"{path}: {wrong}")
        wanted = {code for step in plan.steps for code in step.codes if any(edit.path == path for edit in step.edits)}
        gone = set(old.answered(new))
        reasons += [f"{code} is still there in {path}" for code in sorted(wanted - gone)]
        codes |= wanted
    told = f"scan: {', '.join(paths)} parses, {', '.join(sorted(codes))} answered, nothing new" if paths and not reasons else ""
    return reasons, [told] if told else []


def edited(plan: FixPlan) -> list[str]:
    """The scripts whose text a plan changes."""
    from . import is_script

    return sorted({edit.path for edit in plan.edits if isinstance(edit, Splice) and is_script(edit.path)})
