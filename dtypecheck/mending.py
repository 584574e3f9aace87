"""A fix from its first look to the last check: what is proposed, what of it is allowed, what is written, and whether it holds."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .dtypes import F32
from .edits import written
from .engine import scan
from .files import Files, from_here, listed, place
from .fixing.planfile import read_plan
from .fixing.propose import propose
from .fixing.propose.asked import Ask, command, wish_of
from .fixing.propose.case import Wish
from .fixing.propose.costs import with_costs
from .fixing.refusal import Refusal
from .fixing.scripts import is_script, propose_scripts
from .fixing.scripts.check import edited, scripts_checked
from .fixing.states import states
from .fixplan import FixPlan, Mending, Refused, Step
from .knowledge import Knowledge, folders
from .report import Report
from .request import WrongUse, check_names, make
from .scripted import AsGiven, Folders, scan_scripts
from .subjects import Request

if TYPE_CHECKING:
    from .fixing.apply import Progress

Told = Callable[["Progress"], None]


def plan_fix(target: str | Path, ask: Ask, told: Told | None = None, hashed: bool = False) -> Report:
    """The report on a target, with the fix plan in `.fix`. hashed: the plan holds the sha256 of every file that it touches.

    errors: request.WrongUse for what was typed and means nothing; fixing.refusal.Refusal for what cannot be planned.
    """
    path = _target(Path(target))
    if path.resolve() == Path(path.resolve().anchor):
        raise Refusal(f"{path}: a whole disk is not fixed")
    _ended(path)
    known = Knowledge(folders(ask.rules_dirs))
    request = make(ask.dtype, ask.variant, ask.device, ask.libraries, known, Path.cwd())
    files = listed(place(path))
    wish = wish_of(ask)
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
        resolve = _folders(path, known, ask.models)
        before = before + scan_scripts(files, request, known, resolve)
        if wish.to is None and not wish.swap:
            steps, left = propose_scripts(files, request, known, wish, resolve)
            plan = replace(plan, steps=(*plan.steps, *steps), refused=(*plan.refused, *left))
    plan = replace(plan, files=states(place(path), plan.edits, hashed, told), asked=_asked(ask))
    mending = Mending(plan, left_out=left_out, command=command(path, ask))
    roots = {"": from_here(path if path.is_dir() else path.parent)}
    return replace(before, fix=mending, label=path.as_posix(), request=request, roots=roots)


def _plan_script(path: Path, ask: Ask, wish: Wish, request: Request, known: Knowledge, hashed: bool) -> Report:
    """The same for a script or notebook: its text alone is edited."""
    if wish.to is not None:
        raise WrongUse(f"--to converts weights, and {path} is a script")
    files, resolve = place(path), _folders(path, known, ask.models)
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


def _folders(path: Path, known: Knowledge, models: Mapping[str, Path]) -> Folders:
    """What the models of a script, or of the scripts in a folder, stand for. models: those that --model named."""
    return Folders(known, models, (Path.cwd(), path if path.is_dir() else path.parent))


def _asked(ask: Ask) -> dict[str, str]:
    """What the plan is made for, as a plan file holds it."""
    asked = {"dtype": ask.dtype, "variant": ask.variant, "device": ask.device, "libraries": " ".join(ask.libraries)}
    asked["arguments"] = shlex.join(ask.arguments)
    asked["models"] = shlex.join(f"{name}={place.as_posix()}" for name, place in ask.models.items())
    return {key: value for key, value in asked.items() if value}


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


def _ended(path: Path) -> None:
    """errors: Refusal where a fix of the target, of its parts or of what it is part of was interrupted."""
    from .fixing.traces import any_of

    if not any_of(path):
        return
    from .fixing.apply import unfinished

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
    from .fixing.apply import apply

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
    from .fixing.apply import finish, interrupted, planned

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


def _verifier(
    target: Path, plan: FixPlan, out: Path | None, request: Request, known: Knowledge, measured: list[str]
) -> Callable[[Path], Sequence[str]]:
    """What looks at the files when all is in place, and gives the reasons for which it has to be taken back."""

    models = _known_models(plan)

    def verified(root: Path) -> Sequence[str]:
        from .fixing.apply import before_and_after
        from .fixing.verify import verify

        before, after = (place(target), place(root)) if out else before_and_after(target)
        alone = {edit.path for edit in plan.edits} == set(edited(plan))
        result = verify(after, before, plan, request, known, torch=False if alone else None)
        resolve, words = _folders(target, known, models), shlex.split(plan.asked.get("arguments", ""))
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
    words, resolve = shlex.split(mending.plan.asked.get("arguments", "")), _folders(there, known, _models(mending.plan))
    if there.is_file() and is_script(there.name):
        report, roots = scan_scripts(AsGiven(there), request, known, resolve, words), {there.as_posix(): from_here(there)}
    else:
        report, roots = scan(place(there), request, known), {"": from_here(there if there.is_dir() else there.parent)}
        if there.is_dir():
            report = report + scan_scripts(place(there), request, known, resolve, words)
    return replace(report, fix=mending, label=target.as_posix(), request=request, roots=roots)


def diff_of(target: Path, plan: FixPlan) -> bytes:
    """What a plan changes in the texts of a target, as a unified diff. errors: Refusal."""
    from .fixing.scripts.diff import diff

    name = target.as_posix()
    folder = f"{name}/" if target.is_dir() else name.removesuffix(target.name)
    return diff(place(target), plan, "" if folder == "./" else folder)


def _target(path: Path) -> Path:
    """errors: WrongUse for a path that is not there."""
    if not path.exists():
        raise WrongUse(f"{path}: there is no such file or folder")
    return path.parent if path.name in ("model_index.json", "config.json") and path.is_file() else path


def _rehearsed(files: Files, plan: FixPlan, request: Request, known: Knowledge) -> FixPlan:
    """The plan, if a rehearsal of the pipeline ends after it as well as it does now; where torch is not there, as it is."""
    if not plan.steps or not all(map(find_spec, ("torch", "diffusers", "transformers"))):
        return plan
    from .fixing.propose.rehearsals import worsened

    reason = worsened(files, plan.edits, request, known)
    if not reason:
        return plan
    refused = tuple(Refused(step.place, f"{step.change}: {reason}", step.codes) for step in plan.steps)
    return replace(plan, steps=(), refused=(*plan.refused, *refused))


__all__ = ["Ask", "Refusal", "carry_out", "diff_of", "end_fix", "plan_fix", "read_fix", "wish_of"]
