"""The typed Python API: scan a path, get a Report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from .engine import scan as scan_files
from .files import place
from .knowledge import Knowledge, folder
from .report import Report
from .request import WrongUse, check_names, make


def scan(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[str | Path] = (),
    libraries: Iterable[str] = (),
) -> Report:
    """Scan a model directory, a folder of models, or a weight file.

    dtype: what is asked for, "float16" or "float16,vae=float32"; any alias of a dtype. device: a name of rules/devices.toml.
    libraries: versions to plan for, as "transformers==4.57"; by default those installed.

    errors: request.WrongUse for a path, dtype, device or component that does not exist. Bad files are findings, not errors.
    """
    paths = [Path(adapter) for adapter in adapters]
    return scan_paths([Path(path)], dtype=dtype, variant=variant, device=device, adapters=paths, libraries=libraries)


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
) -> Report:
    """Scan several targets into one report; paths are relative to their target, and begin with it where there are several."""
    known = Knowledge((folder(), *rules_dirs))
    paths = _targets(paths)
    request = make(dtype, variant, device, libraries, known, Path.cwd())
    given = [place(path) for path in _targets(list(adapters))]
    report = Report(request=request)
    for path in paths:
        part = scan_files(place(path), request, known, given, told)
        report = report + (part.below(_prefix(path, paths)) if len(paths) > 1 else part)
    check_names(request, [component.name for pipeline in report.pipelines for component in pipeline.components])
    return replace(report, request=request, label=paths[0].as_posix() if len(paths) == 1 else "")


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
