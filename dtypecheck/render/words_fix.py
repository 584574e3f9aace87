"""A fix plan in words: each step in a few cells, what was left and why, and the last line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import NamedTuple

from ..checks.words import listed, size
from ..edits import Bring, Edit, Put, Remove, Rename, SetKey, Splice, Store
from ..fixplan import Mending, Refused, Step
from ..report import Report
from .words import plural


class Row(NamedTuple):
    """A step as people read it: its number, place, change, what kind, and the bytes that it adds or saves."""

    number: str
    place: str
    change: str
    kind: str
    saved: str


def rows(mending: Mending) -> list[Row]:
    """The steps that are (or were) done, then those that lose numbers and were not allowed."""
    steps = (*mending.plan.steps, *(step for step in mending.left_out if step not in mending.plan.steps))
    return [
        Row(
            str(i),
            _place(step, mending),
            step.change,
            "lossless" if step.lossless else "lossy",
            grown(step),
        )
        for i, step in enumerate(steps, 1)
    ]


def _place(step: Step, mending: Mending) -> str:
    return mending.plan.target if step.place in ("", ".") else step.place


def grown(step: Step) -> str:
    """The bytes that a step adds or saves, with their sign; nothing where it is less than a kilobyte."""
    difference = step.after - step.before
    return "" if abs(difference) < 1000 else f"{'+' if difference > 0 else '-'}{size(abs(difference))}"


def about(step: Step, report: Report) -> Iterable[str]:
    """What a step answers, and what it costs and gains."""
    for code in step.codes:
        told = [f for f in report.findings if f.code == code]
        near = [f for f in told if f.where.path == step.place or step.place.startswith(f.component + "/")] or told
        yield f"answers {code}" + (f": {near[0].message}" if near else "")
    if report.fix and report.fix.read:
        yield from map(edited, step.edits)
    if step.costs:
        yield "; ".join(step.costs)


def edited(edit: Edit) -> str:
    """What one edit does, in words that come from it alone."""
    match edit:
        case SetKey(path=path, pointer=at, value=value):
            return f"sets {at} of {path} to {value}"
        case Splice(path=path, start=start, old=old, new=new):
            return f"replaces {old!r} by {new!r} at character {start} of {path}"
        case Put(path=path, text=text):
            return f"writes {path}, a text of {len(text):,} characters"
        case Rename(path=path, name=name):
            return f"renames {path} to {name}"
        case Remove(path=path):
            return f"takes {path} away"
        case Bring(path=path, origin=origin):
            return f"brings {path} from {origin}"
        case Store(path=path, takes=takes, keys=keys):
            only = f"{len(keys):,} tensors" if keys else "the tensors"
            pieces = [
                f"{take.source}{f' matching {take.pattern!r}' if take.pattern else ''} as {take.dtype or 'they are'}"
                for take in takes
            ]
            return f"writes {path} out of {only} of {listed(pieces)}"


def lines(mending: Mending, report: Report) -> Iterable[str]:
    """The whole of it, a line each."""
    for row, step in zip(rows(mending), (*mending.plan.steps, *mending.left_out), strict=False):
        codes = f" ({', '.join(step.codes)})" if step.codes else ""
        told = "; ".join((f"{row.kind} {row.change}{f' {row.saved}' if row.saved else ''}{codes}", *step.costs))
        yield f"{row.place}: {told}"
    for item in mending.plan.refused:
        yield f"left: {left(item)}" + (f"; instead: {' or '.join(item.offers)}" if item.offers else "")
    for text in mending.measured:
        yield f"verified: {text}"
    for text in mending.reasons[1:]:
        yield f"also: {text}"
    if mending.read:
        for step in mending.plan.steps:
            yield from (f"edit: {edited(edit)}" for edit in step.edits)
    said, command = last(mending, report.label, looked(report))
    yield f"{said}   {command}" if command else said


def left(refused: Refused) -> str:
    """What is left, in one line."""
    codes = f"{', '.join(refused.codes)} " if refused.codes else ""
    place = "" if refused.place == "." or refused.why.startswith(refused.place) else f"{refused.place}: "
    return f"{codes}{place}{refused.why}"


def looked(report: Report) -> bool:
    """Whether there was anything to look at; a plan out of a file is shown alone."""
    return bool(report.seen["pipelines"] or report.seen["scripts"] or report.findings or (report.fix and report.fix.plan.steps))


def last(mending: Mending, label: str, seen: bool = True) -> tuple[str, str]:
    """The last line, and the command to go on with. seen: whether there was anything to look at."""
    plan = mending.plan
    here = label or plan.target
    if mending.state == "rolled back":
        return f"rolled back, nothing is changed: {mending.reasons[0] if mending.reasons else 'it failed'}", ""
    if mending.state == "applied":
        return f"applied {plural(len(plan.steps), 'step')}{_more(mending)}", f"dtypecheck undo {shlex.quote(here)}"
    if mending.state == "written":
        return f"written to {mending.place}, {plural(len(plan.steps), 'step')}{_more(mending)}; the source is as it was", ""
    if not seen and here.endswith((".py", ".ipynb")):
        return "nothing was looked at: the script has nothing to do with dtypes", ""
    if not seen:
        return (
            "nothing was looked at: no model_index.json, no config.json of a model, no weight file, and no script about models",
            "",
        )
    if not plan.steps and not mending.left_out and any(not item.codes and not item.done for item in plan.refused):
        return "refused, for the reason above: nothing is written", ""
    if not plan.steps and not mending.left_out:
        return "nothing to fix in the files" + (f", {len(plan.refused)} left" if plan.refused else ""), ""
    lossy = [step for step in (*plan.steps, *mending.left_out) if not step.lossless]
    kinds = [f"{count} lossless"] if (count := sum(step.lossless for step in plan.steps)) else []
    kinds += [f"{len(lossy)} lossy" + (" (needs --lossy)" if mending.left_out else "")] if lossy else []
    flags = " --lossy" if mending.left_out and not plan.steps else ""
    command, dashes, words = (mending.command or f"dtypecheck fix {shlex.quote(here)}").partition(" -- ")
    return f"{listed(kinds)}. Nothing written.", f"{command} --apply{flags}{dashes}{words}"


def _more(mending: Mending) -> str:
    count = len(mending.left_out)
    return f"; {count} lossy {'one' if count == 1 else 'ones'} left out (needs --lossy)" if count else ""
