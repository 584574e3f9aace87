"""A scan as the verbs use it: folders, weight files, scripts and recorded runs, several targets into one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..engine import scan, scan_runs
from ..engine.scripts import AsGiven, Folders, scan_scripts
from ..files import from_here, listed, place
from ..findings import Where
from ..fixing.traces import any_of
from ..knowledge import Knowledge, folders
from ..read.header import INTERRUPTED_FIX
from ..report import Report
from ..request import WrongUse, check_names, make
from ..subjects import Problem, Request
from ..subjects.values import Depth


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
    up_to: int | None = None,
    each: Callable[[Path], Mapping[str, str | None]] | None = None,
) -> Report:
    """Scan several targets into one report; paths are relative to their target, and begin with it where there are several.

    A script keeps the path it was given by. models: folders that its hub ids stand for; arguments: its own. up_to: as in
    `engine.scan`. each: the dtype, variant and device of a target, where those for all are None.
    """
    known = Knowledge(folders(rules_dirs))
    paths = targets(paths)
    requests: dict[tuple[str | None, ...], Request] = {}

    def asked(path: Path | None) -> Request:
        own = each(path) if each and path else {}
        pairs = (("dtype", dtype), ("variant", variant), ("device", device))
        wanted = [own.get(name) if value is None else value for name, value in pairs]
        key = tuple(wanted)
        if key not in requests:
            requests[key] = make(wanted[0], wanted[1], wanted[2], libraries, known, Path.cwd())
        return requests[key]

    names: dict[int, list[str]] = {}
    given = [place(path) for path in targets(list(adapters))]
    report = Report()
    depth = _depth(values)
    for path in paths:
        request = asked(path)
        resolve = Folders.of(path, known, models or {})
        if path.suffix in (".py", ".ipynb") and path.is_file():
            part = scan_scripts(AsGiven(path), request, known, resolve, arguments, told)
            report = report + replace(part, unlinked=resolve.unlinked, roots={path.as_posix(): from_here(path)})
            continue
        files = listed(place(path))
        judged = scan_runs(files, request, known) if path.suffix == ".json" and path.is_file() else None
        part = judged or scan(files, request, known, given, told, depth, _interrupted(path), up_to)
        if path.is_dir():
            part = part + replace(scan_scripts(files, request, known, resolve, (), told), unlinked=resolve.unlinked)
        if judged is None:  # the paths in a recorded run are those of the place where it ran
            part = replace(part, roots={"": from_here(path if path.is_dir() else path.parent)})
        names.setdefault(id(request), []).extend(c.name for pipeline in part.pipelines for c in pipeline.components)
        report = report + (part.below(_prefix(path, paths)) if len(paths) > 1 else part)
    for request in requests.values():
        check_names(request, names.get(id(request), ()))
    request = next(iter(requests.values())) if len(requests) == 1 else asked(None)
    return replace(report, request=request, label=paths[0].as_posix() if len(paths) == 1 else "")


def targets(paths: Sequence[Path]) -> list[Path]:
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


def _interrupted(target: Path) -> list[Problem]:
    """What the journals beside and around a target tell of fixes that did not end; where there is none, nothing is imported."""
    if not any_of(target):
        return []
    from ..fixing.apply import unfinished

    found = unfinished(target)
    return [Problem(INTERRUPTED_FIX, Where(path), f"{text}\n{commands}".strip()) for path, text, commands in found]


def _depth(values: str) -> Depth | None:
    if values and values not in get_args(Depth):
        raise WrongUse(f"values is {values!r}; it is quick or full")
    return next((depth for depth in get_args(Depth) if depth == values), None)
