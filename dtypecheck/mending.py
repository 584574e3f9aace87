"""A fix from its first look to the last check: what is proposed, what of it is allowed, what is written, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from .dtypes import F32
from .engine import scan
from .files import Files, place
from .fixing.planfile import read_plan
from .fixing.propose import propose
from .fixing.propose.asked import Ask, command, wish_of
from .fixing.propose.costs import with_costs
from .fixing.refusal import Refusal
from .fixing.states import states
from .fixplan import FixPlan, Mending, Refused, Step
from .knowledge import Knowledge, folder
from .report import Report
from .request import WrongUse, check_names, make
from .subjects import Request

if TYPE_CHECKING:
    from .fixing.apply import Progress

Told = Callable[["Progress"], None]


def plan_fix(target: str | Path, ask: Ask, told: Told | None = None, hashed: bool = False) -> Report:
    """The report on a target, with the fix plan in `.fix`. hashed: the plan holds the sha256 of every file that it touches.

    errors: request.WrongUse for what was typed and means nothing; fixing.refusal.Refusal for what cannot be planned.
    """
    path = _target(Path(target))
    _ended(path)
    known = Knowledge((folder(), *ask.rules_dirs))
    request = make(ask.dtype, ask.variant, ask.device, ask.libraries, known, Path.cwd())
    files = place(path)
    wish = wish_of(ask)
    made = propose(files, request, known, wish)
    names = [component.name for pipeline in made.before.pipelines for component in pipeline.components]
    check_names(request, names)
    check_names(Request(dict.fromkeys(ask.components, F32)), [*names, *_roles(made.before)])
    plan = with_costs(files, made.plan, told)
    allowed = ask.lossy or wish.to is not None
    left_out = () if allowed else tuple(step for step in plan.steps if not step.lossless)
    plan = replace(plan, target=path.as_posix(), steps=tuple(step for step in plan.steps if step not in left_out))
    plan = _rehearsed(files, plan, request, known)
    asked = {"dtype": ask.dtype, "variant": ask.variant, "device": ask.device, "libraries": " ".join(ask.libraries)}
    plan = replace(plan, files=states(files, plan.edits, hashed, told), asked={k: v for k, v in asked.items() if v})
    mending = Mending(plan, left_out=left_out, command=command(path, ask))
    return replace(made.before, fix=mending, label=path.as_posix(), request=request)


def _ended(path: Path) -> None:
    """errors: Refusal where a fix of the target, of its parts or of what it is part of was interrupted."""
    from .fixing.traces import any_of

    if not any_of(path):
        return
    from .fixing.apply import unended

    for place, text in unended(path):
        here = path.as_posix() if place in (".", path.name) else f"{path.as_posix()}/{place}"
        raise Refusal(f"{here}: {text}", f"dtypecheck undo {here}  takes it back", f"dtypecheck fix {here} --apply  ends it")


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

    known = Knowledge((folder(), *rules_dirs))
    request = _request(plan, known)
    measured: list[str] = []
    verify = _verifier(target, plan, out, request, known, measured) if check else None
    done = apply(target, plan, out=out, undo_dir=undo_dir, verify=verify, told=told)
    mending = Mending(plan, "written" if out else "applied", tuple(left_out), out.as_posix() if out else "", tuple(measured))
    return _afterwards(target, out, done.written, request, known, mending)


def end_fix(
    target: Path, *, undo_dir: Path | None = None, check: bool = True, rules_dirs: Iterable[Path] = (), told: Told | None = None
) -> Report | None:
    """End the fix of a target that was interrupted, and report on what there is; None when none was. errors: Refusal."""
    from .fixing.apply import finish, interrupted, planned

    if interrupted(target) is None:
        return None
    known = Knowledge((folder(), *rules_dirs))
    plan = planned(target)
    request = _request(plan, known)
    measured: list[str] = []
    verify = _verifier(target, plan, None, request, known, measured) if check else None
    done = finish(target, undo_dir=undo_dir, verify=verify, told=told)
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

    def verified(root: Path) -> Sequence[str]:
        from .fixing.apply import before_and_after
        from .fixing.verify import verify

        before, after = (place(target), place(root)) if out else before_and_after(target)
        result = verify(after, before, plan, request, known)
        measured.extend(result.measured)
        return result.reasons

    return verified


def _afterwards(
    target: Path, out: Path | None, written: Sequence[str], request: Request, known: Knowledge, mending: Mending
) -> Report:
    """The report on a target after a fix; one that was a single file and has another name now is found by that."""
    there = out or target
    if not there.exists() and written:
        there = target.parent / written[0]
    report = scan(place(there), request, known)
    return replace(report, fix=mending, label=target.as_posix(), request=request)


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


__all__ = ["Ask", "Refusal", "carry_out", "end_fix", "plan_fix", "read_fix", "wish_of"]
