"""A fix from its plan on: what is written, whether it holds, and what there is afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine import scan
from ..engine.scripts import AsGiven, Folders, scan_scripts
from ..files import from_here, place
from ..fixing.planfile import read_plan
from ..fixing.refusal import Refusal
from ..fixing.scripts import is_script
from ..fixing.scripts.check import edited, scripts_checked
from ..fixplan import FixPlan, Mending, Step
from ..knowledge import Knowledge, folders
from ..report import Report
from ..request import WrongUse, make
from ..subjects import Request

if TYPE_CHECKING:
    from ..fixing.apply import Progress


Told = Callable[["Progress"], None]


def read_fix(path: Path, target: Path | None) -> tuple[Path, FixPlan]:
    """The plan in a file, and the target that it is for: the one given, else the one that it names.

    errors: Refusal for a file that is no plan; WrongUse when its target is not there.
    """
    plan = read_plan(path)
    place = target or Path(plan.target)
    if not place.exists():
        raise WrongUse(f"{place}: the plan is for this, and it is not there; name the target behind the plan")
    return place, plan


def carry_out(
    target: Path,
    plan: FixPlan,
    *,
    out: Path | None = None,
    undo_dir: Path | None = None,
    check: bool = True,
    rules_dirs: Iterable[Path] = (),
    left_out: Sequence[Step] = (),
    told: Told | None = None,
) -> Report:
    """Apply a plan, in place or into the new folder `out`; the report is on what there is afterwards, with `.fix`.

    check: verify it, and take it back when it does not hold. errors: Refusal, and nothing is changed then.
    """
    from ..fixing.apply import apply

    known = Knowledge(folders(rules_dirs))
    request = _request(plan, known)
    measured: list[str] = []
    verify = _verifier(target, plan, out, request, known, measured) if check else None
    done = apply(target, plan, out=out, undo_dir=undo_dir, verify=verify, told=told)
    measured += done.notes
    mending = Mending(plan, "written" if out else "applied", tuple(left_out), out.as_posix() if out else "", tuple(measured))
    return _afterwards(target, out, done.written, request, known, mending)


def end_fix(
    target: Path, *, undo_dir: Path | None = None, check: bool = True, rules_dirs: Iterable[Path] = (), told: Told | None = None
) -> Report | None:
    """End the fix of a target that was interrupted, and report on what there is; None when none was. errors: Refusal."""
    from ..fixing.apply import finish, interrupted, planned

    if interrupted(target) is None:
        return None
    known = Knowledge(folders(rules_dirs))
    plan = planned(target)
    request = _request(plan, known)
    measured: list[str] = []
    verify = _verifier(target, plan, None, request, known, measured) if check else None
    done = finish(target, undo_dir=undo_dir, verify=verify, told=told)
    measured += done.notes
    return _afterwards(target, None, done.written, request, known, Mending(plan, "applied", (), "", tuple(measured)))


def _request(plan: FixPlan, known: Knowledge) -> Request:
    """What the plan was made for."""
    asked = plan.asked
    libraries = tuple(asked.get("libraries", "").split())
    return make(asked.get("dtype"), asked.get("variant"), asked.get("device"), libraries, known, Path.cwd())


def _models(plan: FixPlan) -> dict[str, Path]:
    """The folders that hub ids stand for in a plan."""
    pairs = [text.partition("=") for text in shlex.split(plan.asked.get("models", ""))]
    return {name: Path(place_of) for name, _, place_of in pairs}


def _known_models(plan: FixPlan) -> dict[str, Path]:
    """The same. errors: Refusal for one that is not there: what the plan answers could not be judged."""
    found = _models(plan)
    for name, place_of in found.items():
        if not place_of.is_dir():
            raise Refusal(f"the plan was made with --model {name}={place_of}, and that folder is not there")
    return found


def _verifier(
    target: Path, plan: FixPlan, out: Path | None, request: Request, known: Knowledge, measured: list[str]
) -> Callable[[Path], Sequence[str]]:
    """What looks at the files when all is in place, and gives the reasons for which it has to be taken back."""

    models = _known_models(plan)

    def verified(root: Path) -> Sequence[str]:
        from ..fixing.apply import before_and_after
        from ..fixing.verify import verify

        before, after = (place(target), place(root)) if out else before_and_after(target)
        alone = {edit.path for edit in plan.edits} == set(edited(plan))
        result = verify(after, before, plan, request, known, torch=False if alone else None)
        resolve, words = Folders.of(target, known, models), shlex.split(plan.asked.get("arguments", ""))
        wrong, told = scripts_checked(before, after, plan, request, known, resolve, words)
        measured.extend((*(result.measured[:1] if alone else result.measured), *told))
        return (*result.reasons, *wrong)

    return verified


def _afterwards(
    target: Path, out: Path | None, written: Sequence[str], request: Request, known: Knowledge, mending: Mending
) -> Report:
    """The report on a target after a fix; one that was a single file and has another name now is found by that."""
    there = out or target
    if not there.exists() and written:
        there = target.parent / written[0]
    words, resolve = shlex.split(mending.plan.asked.get("arguments", "")), Folders.of(there, known, _models(mending.plan))
    if there.is_file() and is_script(there.name):
        report, roots = scan_scripts(AsGiven(there), request, known, resolve, words), {there.as_posix(): from_here(there)}
    else:
        report, roots = scan(place(there), request, known), {"": from_here(there if there.is_dir() else there.parent)}
        if there.is_dir():
            report = report + scan_scripts(place(there), request, known, resolve, words)
    return replace(report, fix=mending, label=target.as_posix(), request=request, roots=roots)


def diff_of(target: Path, plan: FixPlan) -> bytes:
    """What a plan changes in the texts of a target, as a unified diff. errors: Refusal."""
    from ..fixing.scripts.diff import diff

    name = target.as_posix()
    folder = f"{name}/" if target.is_dir() else name.removesuffix(target.name)
    return diff(place(target), plan, "" if folder == "./" else folder)


__all__ = ["Refusal", "carry_out", "diff_of", "end_fix", "read_fix"]
