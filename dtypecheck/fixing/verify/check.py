"""All that is asked of a target after a plan was applied to it: files, findings, a rehearsal, and the numbers it computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...files import Directory, Files, OneFile, Some, place
from ...fixplan import FixPlan
from ...knowledge import Knowledge
from ...subjects import Request
from ..outcome import Outcome, outcome
from ..refusal import Refusal
from .bytes import bytes_checked
from .findings import findings_checked
from .rehearsed import has_torch, runs_checked


@dataclass(frozen=True, slots=True)
class Verified:
    """reasons: why the fix has to be taken back, none when it holds. measured: what was looked at, as lines to print."""

    reasons: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()


def verify(
    root: Path | Files, before: Files, plan: FixPlan, request: Request, known: Knowledge, *, torch: bool | None = None
) -> Verified:
    """What is wrong with the target after the plan was applied to it.

    root: the folder of the target (also of one that is a single file), or its files. before: the whole target as it was.
    torch: whether it is also rehearsed and computed with; None where torch and the libraries are installed. Nothing that runs
    looks at a target whose files are wrong already.

    errors: Refusal where torch is demanded and not there.
    """
    if torch and not has_torch():
        raise Refusal("a rehearsal needs torch, diffusers and transformers: pip install 'dtypecheck[torch]'")
    try:
        planned = outcome(before, plan.edits)
    except Refusal as refusal:
        return Verified((f"the plan does not fit what was there before: {refusal}",))
    after = _now(root, before, planned)
    reasons, measured = bytes_checked(before, after, planned, plan)
    if reasons:
        return Verified(tuple(reasons), tuple(measured))
    wrong, told = findings_checked(before, after, plan, request, known)
    reasons, measured = reasons + wrong, measured + told
    if torch is False or (torch is None and not has_torch()):
        return Verified(tuple(reasons), tuple(measured))
    wrong, told = runs_checked(before, after, planned, request, known)
    return Verified((*reasons, *wrong), (*measured, *told))


def _now(root: Path | Files, before: Files, planned: Outcome) -> Files:
    """The target as it is."""
    now = place(root) if isinstance(root, Path) else root
    if isinstance(now, Directory) and not isinstance(before, OneFile):
        return now
    if isinstance(now, (Directory, OneFile)):
        names = {entry.name for entry in before.entries()} | planned.contents.keys()
        # what lies beside a single file is none of its business
        return Some(Directory(now.root if isinstance(now, Directory) else now.path.parent), names.__contains__, before.label)
    return now
