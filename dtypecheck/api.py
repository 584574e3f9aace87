"""The typed Python API: scan a path, get a Report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from .engine import asked_of, report_runs, scan_runs, stopping
from .engine import scan as scan_files
from .files import place
from .findings import Where
from .fixing.traces import any_of
from .knowledge import Knowledge, folder
from .loading import plan
from .read.header import INTERRUPTED_FIX
from .read.layout import Reader
from .report import Report
from .request import NothingThere, WrongUse, check_names, make
from .scripted import AsGiven, Folders, scan_scripts
from .subjects import Pipeline, Problem
from .subjects.shown import Run, Tried
from .subjects.values import Depth
from .watching import watch, watch_script

if TYPE_CHECKING:
    from .messages.explain import Explanation

__all__ = ["explain", "fix", "rehearse", "rehearse_script", "scan", "scan_paths", "watch", "watch_script"]


def scan(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[str | Path] = (),
    libraries: Iterable[str] = (),
    values: str = "",
) -> Report:
    """Scan a model directory, a folder of models, or a weight file.

    dtype: what is asked for, "float16" or "float16,vae=float32"; any alias of a dtype. device: a name of rules/devices.toml.
    libraries: versions to plan for, as "transformers==4.57"; by default those installed. values: "quick" or "full" to look at the
    numbers of the weights too, which needs numpy.

    errors: request.WrongUse for a path, dtype, device or component that does not exist. Bad files are findings, not errors.
    """
    paths = [Path(adapter) for adapter in adapters]
    given = [Path(path)]
    return scan_paths(given, dtype=dtype, variant=variant, device=device, adapters=paths, libraries=libraries, values=values)


def scan_paths(
    paths: Sequence[Path],
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[Path] = (),
    libraries: Iterable[str] = (),
    rules_dirs: Iterable[Path] = (),
    told: Callable[[str], None] | None = None,
    values: str = "",
    models: Mapping[str, Path] | None = None,
    arguments: Sequence[str] = (),
) -> Report:
    """Scan several targets into one report; paths are relative to their target, and begin with it where there are several.

    A script keeps the path it was given by. models: folders that its hub ids stand for; arguments: its own.
    """
    known = Knowledge((folder(), *rules_dirs))
    paths = _targets(paths)
    request = make(dtype, variant, device, libraries, known, Path.cwd())
    given = [place(path) for path in _targets(list(adapters))]
    report = Report(request=request)
    depth = _depth(values)
    for path in paths:
        folders = Folders(known, models or {}, (Path.cwd(), path if path.is_dir() else path.parent))
        if path.suffix in (".py", ".ipynb") and path.is_file():
            report = report + scan_scripts(AsGiven(path), request, known, folders, arguments, told)
            continue
        files = place(path)
        judged = scan_runs(files, request, known) if path.suffix == ".json" and path.is_file() else None
        part = judged or scan_files(files, request, known, given, told, depth, _interrupted(path))
        if path.is_dir():
            part = part + scan_scripts(files, request, known, folders, (), told)
        report = report + (part.below(_prefix(path, paths)) if len(paths) > 1 else part)
    check_names(request, [component.name for pipeline in report.pipelines for component in pipeline.components])
    return replace(report, request=request, label=paths[0].as_posix() if len(paths) == 1 else "")


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
) -> Report:
    """Run the real code of a pipeline on components without numbers: where it crashes by dtype, on that device.

    path: a pipeline directory, or a transformers folder. call: arguments of the call in place of the smallest ones.
    matrix: rehearse every sensible dtype plan. Needs torch, diffusers and transformers.

    errors: request.WrongUse for a path, dtype, device, component or argument that does not exist, and where torch is missing.
    """
    known = Knowledge((folder(), *rules_dirs))
    target = _targets([Path(path)])[0]
    request = make(dtype, variant, device, (), known, Path.cwd())
    pipeline, problems = _one(target, known)
    planned = plan(pipeline, asked_of(pipeline, request), known)
    check_names(request, [component.name for component in planned.components])
    where = request.device or "cuda"
    run, tried = _rehearsed(planned, target, known, where, dict(call or {}), matrix, told)
    found = report_runs(
        [run] if run else [], known, planned.request, target.as_posix(), {planned.path: tried} if tried else None, (planned,)
    )
    broken = problems if run and run.verdict == "unknown" else ()
    return replace(found, findings=(*stopping(planned, broken, known), *found.findings), request=planned.request)


def rehearse_script(
    path: str | Path,
    arguments: Sequence[str] = (),
    *,
    device: str = "cuda",
    models: Mapping[str, Path] | None = None,
    rules_dirs: Iterable[Path] = (),
) -> Report:
    """Execute a script with phantom models and a device that is not there. No sandbox: what it does besides, it does.

    arguments: its own. models: folders that hub ids stand for. errors: request.WrongUse as for `rehearse`.
    """
    known = Knowledge((folder(), *rules_dirs))
    target = _targets([Path(path)])[0]
    request = make(None, None, device, (), known, Path.cwd())
    try:
        from .runs.script import rehearse_script as perform
    except ImportError as fault:
        raise WrongUse(f"a rehearsal needs {fault.name}: pip install 'dtypecheck[torch]'") from None
    run = perform(target, arguments, known, request.device or "cuda", models or {}, request.libraries)
    if run.verdict == "runs" and not run.weight_bytes:
        run = replace(run, verdict="unknown", reason="the script loaded no model: there was nothing to rehearse")
    return report_runs([run], known, request, target.as_posix())


def fix(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    select: Iterable[str] = (),
    to: str | None = None,
    components: Iterable[str] = (),
    as_variant: str | None = None,
    swap: str | None = None,
    apply: bool = False,
    lossy: bool = False,
    out: str | Path | None = None,
) -> Report:
    """Plan what would mend a model's files, and with `apply` or `out` do it; `.fix` of the report holds the plan.

    dtype, variant, device: what it is judged under. to: convert to this dtype instead of answering findings. out: a new folder
    to write the fixed model to, the source is left alone. lossy: also steps that lose numbers.

    errors: request.WrongUse for what means nothing, fixing.refusal.Refusal for what cannot be done; nothing is changed then.
    """
    from .mending import Ask, carry_out, plan_fix

    ask = Ask(dtype, variant, device, (), tuple(select), (), to, tuple(components), as_variant, swap=swap, lossy=lossy)
    report = plan_fix(path, ask)
    if report.fix is None or not report.fix.plan.steps or not (apply or out):
        return report
    done, left_out = report.fix.plan, report.fix.left_out
    return carry_out(Path(report.label), done, out=Path(out) if out else None, left_out=left_out)


def explain(fault: BaseException | str) -> Explanation:
    """Say what an exception, or the text of a message, a traceback or a log, means; see `explaining.explain`."""
    from .explaining import explain as explained

    return explained(fault)


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
        from .runs.blame import blamed
        from .runs.matrix import matrix as every_plan
        from .runs.matrix import remedies
        from .runs.rehearse import WrongCall
        from .runs.rehearse import rehearse as perform
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


def _one(target: Path, known: Knowledge) -> tuple[Pipeline, tuple[Problem, ...]]:
    """What there is to rehearse in a folder, its pipeline, else its only model, and what is wrong with its files.

    errors: WrongUse where there is more than one, NothingThere where there is none.
    """
    read = list(Reader(place(target), known).readings())
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


def _interrupted(target: Path) -> list[Problem]:
    """What the journals beside and around a target tell of fixes that did not end; where there is none, nothing is imported."""
    if not any_of(target):
        return []
    from .fixing.apply import unfinished

    found = unfinished(target)
    return [Problem(INTERRUPTED_FIX, Where(path), f"{text}\n{commands}".strip()) for path, text, commands in found]


def _depth(values: str) -> Depth | None:
    if values and values not in get_args(Depth):
        raise WrongUse(f"values is {values!r}; it is quick or full")
    return next((depth for depth in get_args(Depth) if depth == values), None)


def _targets(paths: Sequence[Path]) -> list[Path]:
    """The targets, each once; a settings file of a model stands for its folder. errors: WrongUse for one that is not there."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise WrongUse(f"{path}: there is no such file or folder")
        target = path.parent if path.name in ("model_index.json", "config.json") and path.is_file() else path
        found.setdefault(target.absolute(), target)
    return list(found.values())


def _prefix(path: Path, paths: Sequence[Path]) -> str:
    """What stands in front of a target's paths in a report on several: where it lies below the folder that holds them all."""
    shared = Path(os.path.commonpath([place.absolute().parent for place in paths]))
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    below = folder.relative_to(shared).as_posix()
    return "" if below == "." else below
