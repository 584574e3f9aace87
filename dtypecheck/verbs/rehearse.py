"""A rehearsal as the verbs use it: of the one pipeline in a folder, of every dtype plan, or of a script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..engine import asked_of, report_runs, stopping
from ..engine.scripts import commented
from ..files import from_here
from ..knowledge import Knowledge, folders
from ..loading import plan
from ..read.layout import Reader
from ..remote.kept import place_of
from ..remote.targets import Remote
from ..report import Report
from ..request import NothingThere, WrongUse, check_names, make
from ..subjects import Pipeline, Problem
from ..subjects.shown import Run, Tried
from .scan import targets


def rehearse(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str = "cuda",
    call: Mapping[str, object] | None = None,
    matrix: bool = False,
    rules_dirs: Iterable[Path] = (),
    told: Callable[[str], None] | None = None,
    online: bool = True,
) -> Report:
    """Run the real code of a pipeline on components without numbers: where it crashes by dtype, on that device.

    path: a pipeline directory, a transformers folder, or a model elsewhere, of which settings and headers are fetched for the
    time being; online: False asks no network. call: arguments of the call in place of the smallest ones.
    matrix: rehearse every sensible dtype plan. Needs torch, diffusers and transformers.

    errors: request.WrongUse for a path, dtype, device, component or argument that does not exist, and where torch is missing.
    """
    known = Knowledge(folders(rules_dirs))
    found = targets([path])[0]
    if isinstance(found, Path):
        return _of_folder(found, known, dtype, variant, device, call, matrix, told)
    from ..remote.lent import lent

    with lent(known, online) as lending:
        report = _of_folder(lending.path(found), known, dtype, variant, device, call, matrix, told)
    return replace(report, label=found.label, roots={"": found.label})


def _of_folder(
    target: Path,
    known: Knowledge,
    dtype: str | None,
    variant: str | None,
    device: str,
    call: Mapping[str, object] | None,
    matrix: bool,
    told: Callable[[str], None] | None,
) -> Report:
    request = make(dtype, variant, device, (), known, Path.cwd())
    pipeline, problems = _one(target, known)
    planned = plan(pipeline, asked_of(pipeline, request), known)
    check_names(request, [component.name for component in planned.components])
    where = request.device or "cuda"
    run, tried = _rehearsed(planned, target, known, where, dict(call or {}), matrix, told)
    planned = _asked(planned)
    if run and run.verdict == "runs" and planned.unloadable:
        first, why = next(iter(planned.unloadable.items()))
        run = replace(run, verdict="unknown", reason=f"from_pretrained stops at {first}: {why}")
    found = report_runs(
        [run] if run else [], known, planned.request, target.as_posix(), {planned.path: tried} if tried else None, (planned,)
    )
    broken = problems if run and run.verdict == "unknown" else ()
    found = replace(found, findings=(*stopping(planned, broken, known), *found.findings), request=planned.request)
    return replace(found, roots={"": from_here(target)})


def rehearse_script(
    path: str | Path,
    arguments: Sequence[str] = (),
    *,
    device: str = "cuda",
    models: Mapping[str, Path | Remote] | None = None,
    rules_dirs: Iterable[Path] = (),
    online: bool = True,
) -> Report:
    """Execute a script with phantom models and a device that is not there. No sandbox: what it does besides, it does.

    arguments: its own. models: what hub ids stand for. online: False asks no network. errors: request.WrongUse as for `rehearse`.
    """
    known = Knowledge(folders(rules_dirs))
    target = targets([path])[0]
    if isinstance(target, Remote):
        raise WrongUse(f"{target}: a script that is executed lies on this disk")
    request = make(None, None, device, (), known, Path.cwd())
    try:
        from ..runs.script import rehearse_script as perform
    except ImportError as fault:
        raise WrongUse(f"a rehearsal needs {fault.name}: pip install 'dtypecheck[torch]'") from None
    with contextlib.ExitStack() as stack:
        local = {name: place for name, place in (models or {}).items() if isinstance(place, Path)}
        if len(local) < len(models or {}):
            from ..remote.lent import lent

            local = stack.enter_context(lent(known, online)).models(models or {})
        run = perform(target, arguments, known, request.device or "cuda", local, request.libraries)
    if run.verdict == "runs" and not run.weight_bytes:
        run = replace(run, verdict="unknown", reason="the script loaded no model: there was nothing to rehearse")
    return commented(report_runs([run], known, request, target.as_posix()), target)


def _rehearsed(
    pipeline: Pipeline,
    root: Path,
    known: Knowledge,
    device: str,
    call: Mapping[str, object],
    matrix: bool,
    told: Callable[[str], None] | None,
) -> tuple[Run | None, tuple[Tried, ...]]:
    """The run, and where it crashes what would run instead; or every plan."""
    try:
        from ..runs.blame import blamed
        from ..runs.matrix import matrix as every_plan
        from ..runs.matrix import remedies
        from ..runs.rehearse import WrongCall
        from ..runs.rehearse import rehearse as perform
    except ImportError as fault:
        raise WrongUse(f"a rehearsal needs {fault.name}: pip install 'dtypecheck[torch]'") from None
    try:
        if matrix:
            return None, every_plan(pipeline, root, known, device, call, told)
        run = perform(pipeline, root, known, device, call)
        if run.verdict == "crashes":
            run = replace(run, remedies=remedies(pipeline, root, known, device, call))
            run = blamed(pipeline, run, root, known, call)
        return run, ()
    except WrongCall as fault:
        raise WrongUse(str(fault)) from None


def _asked(pipeline: Pipeline) -> Pipeline:
    """The pipeline with what the installed libraries cannot load of it."""
    from ..runs.installed import unloadable

    return replace(pipeline, unloadable=unloadable(pipeline)) if pipeline.kind == "pipeline" else pipeline


def _one(target: Path, known: Knowledge) -> tuple[Pipeline, tuple[Problem, ...]]:
    """What there is to rehearse in a folder, its pipeline, else its only model, and what is wrong with its files.

    errors: WrongUse where there is more than one, NothingThere where there is none.
    """
    read = list(Reader(place_of(target), known).readings())
    problems = tuple(problem for reading in read for problem in reading.problems)
    found = [reading.pipeline for reading in read if reading.pipeline and reading.pipeline.kind != "adapter"]
    chosen = [pipeline for pipeline in found if pipeline.kind == "pipeline"] or found
    at_root = [pipeline for pipeline in chosen if pipeline.path in ("", ".")]
    chosen = at_root if len(at_root) == 1 else chosen
    if len(chosen) > 1:
        names = ", ".join(sorted(pipeline.path for pipeline in chosen)[:6])
        raise WrongUse(f"{target}: a rehearsal is of one pipeline, and there are {len(chosen)}: {names}")
    if not chosen:
        raise NothingThere(f"{target}: there is no pipeline and no model in it")
    return chosen[0], problems
