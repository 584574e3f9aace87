"""A scan as the verbs use it: folders, weight files, scripts and recorded runs, several targets into one report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..knowledge import Knowledge, folders
from ..remote.targets import Remote, not_there, target_of
from ..report import Report
from ..request import WrongUse, check_names
from ..subjects.values import Depth
from .one import Kept, Scans, Target


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
    kept: Kept | None = None,
) -> Report:
    """Scan several targets into one report; paths are relative to their target, and begin with it where there are several.

    A script keeps the path it was given by. models: what its hub ids stand for; arguments: its own. up_to: as in
    `engine.scan`. each: the dtype, variant and device of a target, where those for all are None. online: False never asks
    a network, None asks for targets alone, True also for the models that scripts name. skeleton: a folder to keep the settings
    and headers of the one target in. kept: asked for what was found before of files that have not changed.

    errors: WrongUse, NothingThere.
    """
    paths = targets(paths)
    scans = Scans(
        Knowledge(folders(rules_dirs)), dtype, variant, device, libraries, targets(list(adapters)), models or {}, (Path.cwd(),),
        arguments, _depth(values), up_to, online, each, told, kept,
    )  # fmt: skip
    if skeleton is not None:
        _check_skeleton(skeleton, paths)
    scans.prepare()
    report = Report()
    for path in paths:
        part, files = scans.of(path)
        above = _prefix(path, [p for p in paths if isinstance(p, Path)]) if isinstance(path, Path) else path.label
        report = report + (part.below(above) if len(paths) > 1 and files is not None else part)
        if skeleton is not None and files is not None:
            from ..remote.skeleton import save

            save(files, scans.known, skeleton)
    for request in scans.requests.values():
        check_names(request, scans.names.get(id(request), ()))
    request = next(iter(scans.requests.values())) if len(scans.requests) == 1 else scans.request(None)
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


def _check_skeleton(out: Path, paths: Sequence[Target]) -> None:
    """errors: WrongUse."""
    from ..remote.skeleton import check

    if len(paths) != 1 or (isinstance(paths[0], Path) and paths[0].suffix in (".py", ".ipynb")):
        raise WrongUse("--save-skeleton keeps one model: name one model folder, file or name")
    check(out)


def _prefix(path: Path, paths: Sequence[Path]) -> str:
    """What stands in front of a target's paths in a report on several: where it lies below the folder that holds them all."""
    shared = Path(os.path.commonpath([place.absolute().parent for place in paths]))
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    below = folder.relative_to(shared).as_posix()
    return "" if below == "." else below


def _depth(values: str) -> Depth | None:
    if values and values not in get_args(Depth):
        raise WrongUse(f"values is {values!r}; it is quick or full")
    return next((depth for depth in get_args(Depth) if depth == values), None)
