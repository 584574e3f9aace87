"""A fix up to its plan: what is proposed for a target, what of it is allowed, and whether a rehearsal bears it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..dtypes import F32
from ..edits import written
from ..engine.scripts import AsGiven, Folders, scan_scripts
from ..files import Files, from_here, listed, place
from ..findings import Finding, fingerprinted
from ..fixing.propose import propose
from ..fixing.propose.asked import Ask, command, wish_of
from ..fixing.propose.case import Wish
from ..fixing.propose.costs import with_costs
from ..fixing.refusal import Refusal
from ..fixing.scripts import is_script, propose_scripts
from ..fixing.states import states
from ..fixplan import FixPlan, Mending, Refused, Step
from ..knowledge import Knowledge, folders
from ..remote import kept
from ..remote.targets import Remote
from ..report import Report
from ..request import WrongUse, check_names, make
from ..subjects import Request

if TYPE_CHECKING:
    from ..fixing.apply import Progress

from .scan import targets

Told = Callable[["Progress"], None]
Policy = Callable[[Report], Report]


def plan_fix(
    target: str | Path, ask: Ask, told: Told | None = None, hashed: bool = False, policy: Policy | None = None
) -> Report:
    """The report on a target, with the fix plan in `.fix`. hashed: the plan holds the sha256 of every file that it touches.

    policy: lets count what counts; a finding that is muted or left out gets no step.

    errors: request.WrongUse for what was typed and means nothing; fixing.refusal.Refusal for what cannot be planned.
    """
    (path,) = targets([Path(target)])
    if isinstance(path, Remote):
        raise WrongUse(f"{path}: only what lies on this disk is fixed; download it first")
    if path.resolve() == Path(path.resolve().anchor):
        raise Refusal(f"{path}: a whole disk is not fixed")
    if isinstance(kept.place_of(path), kept.Skeleton):
        raise Refusal(f"{path}: a skeleton has no numbers to fix", "the same for the model that it was made of")
    _ended(path)
    known = Knowledge(folders(ask.rules_dirs))
    request = make(ask.dtype, ask.variant, ask.device, ask.libraries, known, Path.cwd())
    files = listed(place(path))
    roots = {"": from_here(path if path.is_dir() else path.parent)}
    wish = wish_of(ask)
    if policy:
        wish = replace(wish, counting=_counting(path, policy, Report(request=request, label=path.as_posix(), roots=roots)))
    if path.is_file() and is_script(path.name):
        return _plan_script(path, ask, wish, request, known, hashed)
    made = propose(files, request, known, wish)
    names = [component.name for pipeline in made.before.pipelines for component in pipeline.components]
    check_names(request, names)
    check_names(Request(dict.fromkeys(ask.components, F32)), [*names, *_roles(made.before)])
    plan = with_costs(files, made.plan, told)
    allowed = ask.lossy or wish.to is not None
    left_out = () if allowed else tuple(step for step in plan.steps if not step.lossless)
    plan = replace(plan, target=path.as_posix(), steps=tuple(step for step in plan.steps if step not in left_out))
    plan = _rehearsed(files, _free(path, plan), request, known)
    before = made.before
    if path.is_dir():
        resolve = Folders.of(path, known, ask.models)
        before = before + scan_scripts(files, request, known, resolve)
        if wish.to is None and not wish.swap:
            steps, left = propose_scripts(files, request, known, wish, resolve)
            plan = replace(plan, steps=(*plan.steps, *steps), refused=(*plan.refused, *left))
    plan = replace(plan, files=states(place(path), plan.edits, hashed, told), asked=_asked(ask))
    mending = Mending(plan, left_out=left_out, command=command(path, ask))
    return replace(before, fix=mending, label=path.as_posix(), request=request, roots=roots)


def _counting(path: Path, policy: Policy, report: Report) -> Callable[[Sequence[Finding]], Sequence[Finding]]:
    """Of findings those that a policy lets count: it sees a script under the path that was given. report: without any."""
    alone = path.is_file() and is_script(path.name)
    if alone:
        report = replace(report, roots={path.as_posix(): from_here(path)})

    def seen(finding: Finding) -> Finding:
        if not alone:
            return finding
        (moved,) = fingerprinted([replace(finding, where=replace(finding.where, path=path.as_posix()))])
        _, number, count = finding.fingerprint.partition("#")
        return replace(moved, fingerprint=moved.fingerprint + number + count)

    def counting(findings: Sequence[Finding]) -> Sequence[Finding]:
        as_seen = {id(finding): seen(finding) for finding in findings}
        judged = policy(replace(report, findings=tuple(as_seen.values())))
        left = {(finding.fingerprint, finding.where) for finding in judged.counted}
        return [finding for finding in findings if (as_seen[id(finding)].fingerprint, as_seen[id(finding)].where) in left]

    return counting


def _plan_script(path: Path, ask: Ask, wish: Wish, request: Request, known: Knowledge, hashed: bool) -> Report:
    """The same for a script or notebook: its text alone is edited."""
    if wish.to is not None:
        raise WrongUse(f"--to converts weights, and {path} is a script")
    files, resolve = place(path), Folders.of(path, known, ask.models)
    steps, refused = propose_scripts(files, request, known, wish, resolve, ask.arguments)
    shown = path.as_posix()
    plan = FixPlan(
        shown,
        tuple(replace(step, place=shown) for step in steps),
        states(files, [edit for step in steps for edit in step.edits], hashed),
        tuple(replace(item, place=shown) for item in refused),
        _asked(ask),
    )
    before = scan_scripts(AsGiven(path), request, known, resolve, ask.arguments)
    roots = {shown: from_here(path)}
    return replace(before, fix=Mending(plan, command=command(path, ask)), label=shown, request=request, roots=roots)


def _asked(ask: Ask) -> dict[str, str]:
    """What the plan is made for, as a plan file holds it."""
    asked = {"dtype": ask.dtype, "variant": ask.variant, "device": ask.device, "libraries": " ".join(ask.libraries)}
    asked["arguments"] = shlex.join(ask.arguments)
    asked["models"] = shlex.join(f"{name}={place.as_posix()}" for name, place in ask.models.items())
    return {key: value for key, value in asked.items() if value}


def _ended(path: Path) -> None:
    """errors: Refusal where a fix of the target, of its parts or of what it is part of was interrupted."""
    from ..fixing.traces import any_of

    if not any_of(path):
        return
    from ..fixing.apply import unfinished

    for at, text, commands in unfinished(path):
        here = path.as_posix() if at in (".", path.name) else f"{path.as_posix()}/{at}"
        raise Refusal(f"{here}: {text}", *filter(None, [commands]))


def _free(path: Path, plan: FixPlan) -> FixPlan:
    """The plan without steps that would write a file which stands beside a single file already, and is none of the target."""
    if path.is_dir():
        return plan
    new: dict[Step, list[str]] = {}
    for step in plan.steps:
        paths = [written(edit) for edit in step.edits]
        new[step] = [name for name in paths if name != path.name and (path.parent / name).exists()]
    taken = [
        Refused(step.place, f"{names[0]} is there already, and would be written", step.codes)
        for step, names in new.items()
        if names
    ]
    kept = tuple(step for step in plan.steps if not new[step])
    return replace(plan, steps=kept, refused=(*plan.refused, *taken))


def _roles(report: Report) -> list[str]:
    """What the only part of a lone model may be called by."""
    return [c.role for pipeline in report.pipelines if pipeline.kind != "pipeline" for c in pipeline.components]


def _rehearsed(files: Files, plan: FixPlan, request: Request, known: Knowledge) -> FixPlan:
    """The plan, if a rehearsal of the pipeline ends after it as well as it does now; where torch is not there, as it is."""
    if not plan.steps or not all(map(find_spec, ("torch", "diffusers", "transformers"))):
        return plan
    from ..fixing.propose.rehearsals import worsened

    reason = worsened(files, plan.edits, request, known)
    if not reason:
        return plan
    refused = tuple(Refused(step.place, f"{step.change}: {reason}", step.codes) for step in plan.steps)
    return replace(plan, steps=(), refused=(*plan.refused, *refused))


__all__ = ["Ask", "Refusal", "plan_fix"]
