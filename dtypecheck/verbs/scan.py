"""A scan as the verbs use it: folders, weight files, scripts and recorded runs, several targets into one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..engine import scan, scan_runs
from ..engine.scripts import AsGiven, Folders, scan_scripts
from ..files import Directory, Files, from_here, listed
from ..findings import Where
from ..fixing.traces import any_of
from ..knowledge import Knowledge, folders
from ..read.header import INTERRUPTED_FIX
from ..remote.kept import place_of
from ..remote.targets import Remote, not_there, target_of
from ..report import Report
from ..request import NothingThere, WrongUse, check_names, make
from ..subjects import Problem, Request
from ..subjects.values import Depth

Target = Path | Remote
"""What is looked at: a path of this disk, or a model that lies elsewhere."""


def scan_paths(
    paths: Sequence[str | Target],
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[str | Target] = (),
    libraries: Iterable[str] = (),
    rules_dirs: Iterable[Path] = (),
    told: Callable[[str], None] | None = None,
    values: str = "",
    models: Mapping[str, Target] | None = None,
    arguments: Sequence[str] = (),
    up_to: int | None = None,
    each: Callable[[Path], Mapping[str, str | None]] | None = None,
    online: bool | None = None,
    skeleton: Path | None = None,
) -> Report:
    """Scan several targets into one report; paths are relative to their target, and begin with it where there are several.

    A script keeps the path it was given by. models: what its hub ids stand for; arguments: its own. up_to: as in
    `engine.scan`. each: the dtype, variant and device of a target, where those for all are None. online: False never asks
    a network, None asks for targets alone, True also for the models that scripts name. skeleton: a folder to keep the settings
    and headers of the one target in.

    errors: WrongUse, NothingThere.
    """
    known = Knowledge(folders(rules_dirs))
    paths = targets(paths)
    if skeleton is not None:
        _check_skeleton(skeleton, paths)
    requests: dict[tuple[str | None, ...], Request] = {}

    def asked(path: Target | None) -> Request:
        own = each(Path(str(path))) if each and path else {}
        pairs = (("dtype", dtype), ("variant", variant), ("device", device))
        wanted = [own.get(name) if value is None else value for name, value in pairs]
        key = tuple(wanted)
        if key not in requests:
            requests[key] = make(wanted[0], wanted[1], wanted[2], libraries, known, Path.cwd())
        return requests[key]

    names: dict[int, list[str]] = {}

    def files_of(target: Target) -> Files:
        return listed(place_of(target)) if isinstance(target, Path) else _opened(target, known, online is not False, values)

    given = [files_of(path) for path in targets(list(adapters))]
    named = {name: _named(name, files_of(target)) for name, target in (models or {}).items()}
    report = Report()
    depth = _depth(values)
    for path in paths:
        request = asked(path)
        beside = (path if path.is_dir() else path.parent,) if isinstance(path, Path) else ()
        resolve = Folders(known, named, (Path.cwd(), *beside), elsewhere=_elsewhere(known, online))
        if isinstance(path, Remote):
            files = files_of(path)
            part = scan(files, request, known, given, told, depth, (), up_to)
            part += replace(scan_scripts(files, request, known, resolve, (), told), unlinked=resolve.unlinked)
            part = replace(part, roots={"": path.label})
            names.setdefault(id(request), []).extend(c.name for pipeline in part.pipelines for c in pipeline.components)
            report = report + (part.below(path.label) if len(paths) > 1 else part)
            _keep(files, known, skeleton)
            continue
        if path.suffix in (".py", ".ipynb") and path.is_file():
            part = scan_scripts(AsGiven(path), request, known, resolve, arguments, told)
            report = report + replace(part, unlinked=resolve.unlinked, roots={path.as_posix(): from_here(path)})
            continue
        files = files_of(path)
        judged = scan_runs(files, request, known) if path.suffix == ".json" and path.is_file() else None
        part = judged or scan(files, request, known, given, told, depth, _interrupted(path), up_to)
        if path.is_dir():
            part = part + replace(scan_scripts(files, request, known, resolve, (), told), unlinked=resolve.unlinked)
        if judged is None:  # the paths in a recorded run are those of the place where it ran
            part = replace(part, roots={"": from_here(path if path.is_dir() else path.parent)})
        names.setdefault(id(request), []).extend(c.name for pipeline in part.pipelines for c in pipeline.components)
        report = report + (part.below(_prefix(path, [p for p in paths if isinstance(p, Path)])) if len(paths) > 1 else part)
        _keep(files, known, skeleton)
    for request in requests.values():
        check_names(request, names.get(id(request), ()))
    request = next(iter(requests.values())) if len(requests) == 1 else asked(None)
    return replace(report, request=request, label=_label(paths[0]) if len(paths) == 1 else "")


def targets(paths: Sequence[str | Target]) -> list[Target]:
    """The targets, each once; a settings file of a model stands for its folder. errors: WrongUse for one that is not there."""
    found: dict[Target, Target] = {}
    for given in paths:
        path = given if isinstance(given, Remote) else target_of(given)
        if isinstance(path, Remote):
            found.setdefault(path, path)
            continue
        if not path.exists():
            raise WrongUse(not_there(path))
        target = path.parent if path.name in ("model_index.json", "config.json") and path.is_file() else path
        found.setdefault(target.absolute(), target)
    return list(found.values())


def _label(target: Target) -> str:
    return target.as_posix() if isinstance(target, Path) else target.label


def _opened(target: Remote, known: Knowledge, online: bool, values: str) -> Files:
    """errors: WrongUse where numbers are asked for that would have to be downloaded."""
    from ..remote.fetched import Fetched
    from ..remote.opening import opened

    files = opened(target, known, online)
    if values and isinstance(files, Fetched):
        raise WrongUse(f"--values reads all of the weights, and {target} is not on this disk: download it and name its folder")
    return files


def _elsewhere(known: Knowledge, online: bool | None) -> Callable[[str], Files | None]:
    """Models that a script names and no folder holds: whole in the Hub's cache; asked for only where that is wanted."""

    def find(name: str) -> Files | None:
        target = target_of(name)
        if not isinstance(target, Remote) or not target.repo:
            return None
        from ..remote.opening import cached, opened

        if online:
            with suppress(WrongUse, NothingThere):
                return opened(target, known)
            return None
        return cached(target, known)

    return find


def _named(name: str, files: Files) -> Files:
    """A folder that stands for a name is called by that."""
    return replace(files, label=name) if isinstance(files, Directory) else files


def _check_skeleton(out: Path, paths: Sequence[Target]) -> None:
    """errors: WrongUse."""
    from ..remote.skeleton import check

    if len(paths) != 1 or (isinstance(paths[0], Path) and paths[0].suffix in (".py", ".ipynb")):
        raise WrongUse("--save-skeleton keeps one model: name one model folder, file or name")
    check(out)


def _keep(files: Files, known: Knowledge, skeleton: Path | None) -> None:
    if skeleton is not None:
        from ..remote.skeleton import save

        save(files, known, skeleton)


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
