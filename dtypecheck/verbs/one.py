"""A scan of one target: what holds for all targets of a command is made once, and used for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..engine import scan, scan_runs
from ..engine.scripts import AsGiven, Folders, scan_scripts
from ..files import Directory, Files, from_here, listed
from ..findings import Where
from ..fixing.traces import any_of
from ..knowledge import Knowledge
from ..read.header import INTERRUPTED_FIX
from ..remote.kept import place_of
from ..remote.targets import Remote, target_of
from ..report import Report
from ..request import NothingThere, WrongUse, make
from ..subjects import Problem, Request
from ..subjects.values import Depth

Target = Path | Remote
"""What is looked at: a path of this disk, or a model that lies elsewhere."""
Kept = Callable[[Files, Request, Callable[[], Report]], Report]
"""The report on the models of a place under a request: one that was kept, or the one that is made."""


@dataclass(slots=True)
class Scans:
    """How targets are scanned. dtype, variant, device: for all, where not None; `each` tells them for one target otherwise.

    adapters: what is used with the models. models: what hub ids in scripts stand for; beside: folders in which they may lie too.
    online: as in `scan_paths`. up_to: as in `engine.scan`. told: called with each path that is looked at. kept: asked for what
    was found before. elsewhere: whether a name in a script may mean a model in the Hub's cache, or on the Hub. patience: as
    `http.PATIENCE`, None for that.
    """

    known: Knowledge
    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    libraries: Iterable[str] = ()
    adapters: Sequence[Target] = ()
    models: Mapping[str, Target] = field(default_factory=dict)
    beside: Sequence[Path] = ()
    arguments: Sequence[str] = ()
    depth: Depth | None = None
    up_to: int | None = None
    online: bool | None = None
    each: Callable[[Path], Mapping[str, str | None]] | None = None
    told: Callable[[str], None] | None = None
    kept: Kept | None = None
    elsewhere: bool = True
    patience: float | None = None
    requests: dict[tuple[str | None, ...], Request] = field(default_factory=dict)
    names: dict[int, list[str]] = field(default_factory=dict)
    _used: tuple[list[Files], dict[str, Files]] | None = None

    def prepare(self) -> None:
        """Open the adapters and the models that scripts name. errors: WrongUse, NothingThere."""
        given = [self.open(target) for target in self.adapters]
        self._used = given, {name: _named(name, self.open(target)) for name, target in self.models.items()}

    def request(self, path: Target | None) -> Request:
        """What is asked of a target. errors: WrongUse for what means nothing."""
        own = self.each(Path(str(path))) if self.each and path else {}
        pairs = (("dtype", self.dtype), ("variant", self.variant), ("device", self.device))
        wanted = [own.get(name) if value is None else value for name, value in pairs]
        key = tuple(wanted)
        if key not in self.requests:
            self.requests[key] = make(wanted[0], wanted[1], wanted[2], self.libraries, self.known, Path.cwd())
        return self.requests[key]

    def open(self, target: Target, ahead: bool = True) -> Files:
        """The files of a target. ahead, errors: as `remote.opening.opened`; WrongUse for numbers that would be downloaded."""
        if isinstance(target, Path):
            return listed(place_of(target))
        from ..remote.fetched import Fetched
        from ..remote.opening import opened

        files = opened(target, self.known, self.online is not False, ahead, self.patience)
        if self.depth and isinstance(files, Fetched):
            why = f"{target} is not on this disk: download it and name its folder"
            raise WrongUse(f"--values reads all of the weights, and {why}")
        return files

    def of(self, path: Target) -> tuple[Report, Files | None]:
        """The report on one target, and its files where it is no script. errors: WrongUse, NothingThere."""
        if isinstance(path, Path) and path.suffix in (".py", ".ipynb") and path.is_file():
            return self._script(path), None
        files = self.open(path)
        return self.report(path, files), files

    def report(self, path: Target, files: Files) -> Report:
        """The report on the models and scripts, or the recorded run, in the files of a target."""
        request = self.request(path)
        of_a_run = isinstance(path, Path) and path.suffix == ".json" and path.is_file()
        judged = scan_runs(files, request, self.known) if of_a_run else None
        part = judged or self._models(path, files, request)
        if not isinstance(path, Path) or path.is_dir():
            resolve = self._resolve(path)
            part += replace(scan_scripts(files, request, self.known, resolve, (), self.told), unlinked=resolve.unlinked)
        if isinstance(path, Remote):
            part = replace(part, roots={"": path.label})
        elif judged is None:  # the paths in a recorded run are those of the place where it ran
            part = replace(part, roots={"": from_here(path if path.is_dir() else path.parent)})
        found = (component.name for pipeline in part.pipelines for component in pipeline.components)
        self.names.setdefault(id(request), []).extend(found)
        return part

    def _models(self, path: Target, files: Files, request: Request) -> Report:
        problems = _interrupted(path) if isinstance(path, Path) else []
        given = self._opened()[0]

        def made() -> Report:
            return scan(files, request, self.known, given, self.told, self.depth, problems, self.up_to)

        return self.kept(files, request, made) if self.kept and not (problems or given or self.depth) else made()

    def _script(self, path: Path) -> Report:
        resolve = self._resolve(path)
        part = scan_scripts(AsGiven(path), self.request(path), self.known, resolve, self.arguments, self.told)
        return replace(part, unlinked=resolve.unlinked, roots={path.as_posix(): from_here(path)})

    def _resolve(self, path: Target) -> Folders:
        near = (path if path.is_dir() else path.parent,) if isinstance(path, Path) else ()
        elsewhere = _elsewhere(self.known, self.online) if self.elsewhere else None
        return Folders(self.known, self._opened()[1], (*self.beside, *near), elsewhere=elsewhere)

    def _opened(self) -> tuple[list[Files], dict[str, Files]]:
        if self._used is None:
            self.prepare()
        assert self._used is not None  # noqa: S101 - prepare sets it
        return self._used


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


def _interrupted(target: Path) -> list[Problem]:
    """What the journals beside and around a target tell of fixes that did not end; where there is none, nothing is imported."""
    if not any_of(target):
        return []
    from ..fixing.apply import unfinished

    found = unfinished(target)
    return [Problem(INTERRUPTED_FIX, Where(path), f"{text}\n{commands}".strip()) for path, text, commands in found]
