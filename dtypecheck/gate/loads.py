"""Which target a script means when it loads a model, and which of its loads nobody judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..checks.words import listed
from ..dtypes import DType
from ..report import Report
from ..request import dtypes
from ..subjects.loaded import Loaded
from .missing import Missing


@dataclass(frozen=True, slots=True)
class Load:
    """A load of a script. place: the folder or file that it means on this disk, None where that is not here."""

    load: Loaded
    place: Path | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A model that was judged. place: where it lies; asked: its dtypes as --dtype spells them, None for none."""

    place: Path
    asked: str | None
    variant: str | None


def loads_of(report: Report, target: Path, below: str, models: Mapping[str, Path]) -> list[Load]:
    """The loads of a script, or of the scripts in a folder; scripts inside a model are its author's examples, and not ours.

    below: what stands before their paths in the whole report.
    """
    own = [] if target.is_file() else [pipeline.path for pipeline in report.pipelines]
    found: list[Load] = []
    for load in report.loaded:
        if any(path in ("", ".") or load.where.path.startswith(f"{path}/") for path in own):
            continue
        place = Path(load.where.path) if target.is_file() else target / load.where.path
        path = load.where.path if target.is_file() or not below else f"{below}/{load.where.path}"
        said = replace(load, where=replace(load.where, path=path))
        found.append(Load(said, _place(load.repo, (Path.cwd(), target, place.parent), models)))
    return found


def meant(loads: Iterable[Load], target: Path) -> list[Loaded]:
    """The loads of a target: of itself, else of the one model in it that is loaded, as of a snapshot in a cache folder."""
    whole = target.resolve()
    models = [item for item in loads if not item.load.adapter]
    inside = [item for item in models if item.place is not None and item.place.is_relative_to(whole)]
    if any(item.place == whole for item in inside):
        return [item.load for item in inside if item.place == whole]
    one = len({item.place for item in inside}) == 1 and not (target / "model_index.json").exists()
    return [item.load for item in inside] if one else []


def judged_in(report: Report, target: Path, asked: str | None, variant: str | None) -> Iterator[Judged]:
    """The models of a target under one request, each part of theirs in its own folder, and the target itself."""
    whole = target.resolve()
    pipelines = report.pipelines if target.is_dir() else ()
    for place in {whole, *(whole / pipeline.path for pipeline in pipelines)}:
        yield Judged(place, asked, variant)
    wanted = dtypes(asked)
    for part in (part for pipeline in pipelines for part in pipeline.components if part.name and part.path):
        own = wanted.get(part.name, wanted.get(""))
        yield Judged(whole / part.path, own.torch if own is not None else None, variant)


def unjudged(loads: Iterable[Load], judged: Collection[Judged]) -> Iterator[Missing]:
    """The loads whose model was not looked at, or was looked at under another request; each once."""
    told: set[tuple[object, ...]] = set()
    for item in loads:
        load, place = item.load, item.place
        if place is None or load.adapter:
            continue
        ways = [each for each in judged if each.place == place]
        if not ways and (place, None) not in told:
            told.add((place, None))
            yield Missing("weights", f"{load.repo}, which {load.where} loads, was not looked at: it is none of the targets")
        if ways and load.dtypes is not None and not any(_same(load, way) for way in ways):
            own, theirs = _words(load.dtypes, load.variant), listed(_words(dtypes(way.asked), way.variant) for way in ways)
            if (place, own) not in told:
                told.add((place, own))
                yield Missing("scripts", f"{load.where} loads {load.repo} {own}, and it was judged {theirs}")


def unseen_adapters(loads: Iterable[Load], given: Collection[Path], names: Collection[str]) -> Iterator[Missing]:
    """The adapters of the scripts that nobody looked at; each once.

    given: every target and adapter on this disk. names: what people call those that lie elsewhere.
    """
    looked = [path.resolve() for path in given]
    told: set[str] = set()
    for item in loads:
        load, place = item.load, item.place
        if not load.adapter or load.repo in told or any(name.partition("@")[0] == load.repo for name in names):
            continue
        if place is not None and any(place.is_relative_to(path) or path.is_relative_to(place) for path in looked):
            continue
        told.add(load.repo)
        offers = f"--adapter {load.repo if place else 'DIR'} does"
        yield Missing("weights", f"{load.repo}, which {load.where} adds, was not looked at: {offers}")


def worded(asked: str | None, variant: str | None) -> str:
    """A way to load a model in words: loaded in fp16, vae=fp32 (variant fp16)."""
    return f"loaded {_words(dtypes(asked), variant)}"


def _same(load: Loaded, way: Judged) -> bool:
    return _plain(load.dtypes or {}) == _plain(dtypes(way.asked)) and load.variant == way.variant


def _plain(asked: Mapping[str, DType]) -> dict[str, DType]:
    """Without the parts that are asked for in what all the rest is asked for in."""
    return {name: dtype for name, dtype in asked.items() if not name or dtype is not asked.get("")}


def _words(asked: Mapping[str, DType], variant: str | None) -> str:
    named = [f"{name}={dtype.short}" if name else dtype.short for name, dtype in sorted(_plain(asked).items())]
    return ("in " + ", ".join(named) if named else "without torch_dtype") + (f" (variant {variant})" if variant else "")


def _place(repo: str, beside: Sequence[Path], models: Mapping[str, Path]) -> Path | None:
    """What a script's name of a model means on this disk: --model, else what lies beside the caller, then beside the script."""
    try:
        if not repo:
            return None
        if repo in models:
            return models[repo].resolve()
        return next(((folder / repo).resolve() for folder in beside if (folder / repo).exists()), None)
    except (OSError, ValueError, RuntimeError):
        return None
