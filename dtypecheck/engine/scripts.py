"""Scripts to the rules that ask for them: the road from a file of Python to a report."""

from __future__ import annotations

import io
import tokenize
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..files import Directory, Entry, Files
from ..findings import Finding, Where, fingerprinted
from ..knowledge import Knowledge
from ..read.layout import Reader
from ..read.scripts import SUFFIXES, ScriptReader
from ..report import Report
from ..subjects import Pipeline, Request
from ..subjects.loaded import Loaded, loaded_by
from .comments import by_comments, by_lines
from .judging import judge_script

Resolve = Callable[[str], Pipeline | None]


@dataclass(frozen=True, slots=True)
class Below:
    """A folder of another place, as a place of its own."""

    files: Files
    folder: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.files.label}/{self.folder}"

    def entries(self) -> Iterator[Entry]:
        """Every file in the folder."""
        start = self.folder + "/"
        return (entry._replace(name=entry.name[len(start) :]) for entry in self.files.entries() if entry.name.startswith(start))

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file."""
        return self.files.read(f"{self.folder}/{name}", start, length)


@dataclass(frozen=True, slots=True)
class AsGiven:
    """One file of this disk under the name that it was asked for by."""

    path: Path

    @property
    def label(self) -> str:
        """What people call it."""
        return self.path.as_posix()

    def entries(self) -> Iterator[Entry]:
        """The one file."""
        try:
            size = self.path.stat().st_size
        except OSError as fault:
            yield Entry(self.label, -1, f"unlisted:{fault.strerror}")
            return
        yield Entry(self.label, size, self.label)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of the file."""
        with self.path.open("rb") as handle:
            handle.seek(start)
            return handle.read() if length is None else handle.read(length)


@dataclass(slots=True)
class Folders:
    """What the names of models in a script stand for: --model NAME=..., else a folder beside the script or the caller.

    elsewhere: where else a name may be known, asked last.
    """

    known: Knowledge
    models: Mapping[str, Files] = field(default_factory=dict)
    beside: Sequence[Path] = ()
    within: Files | None = None
    elsewhere: Callable[[str], Files | None] | None = None
    found: dict[str, Pipeline | None] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Path, known: Knowledge, models: Mapping[str, Path]) -> Folders:
        """Those for a script, or for the scripts in a folder. models: those that --model named."""
        places = {name: Directory(folder, name) for name, folder in models.items()}
        return cls(known, places, (Path.cwd(), target if target.is_dir() else target.parent))

    def __call__(self, name: str) -> Pipeline | None:
        """The pipeline or model of a name, without a load plan."""
        if name not in self.found:
            place = self._place(name)
            readings = Reader(place, self.known).readings() if place else ()
            pipelines = [reading.pipeline for reading in readings if reading.pipeline and reading.pipeline.kind != "adapter"]
            at_root = [pipeline for pipeline in pipelines if pipeline.path in (".", "")]
            self.found[name] = at_root[0] if len(at_root) == 1 else None
        return self.found[name]

    @property
    def unlinked(self) -> tuple[str, ...]:
        """The names that were asked for and that stand for nothing here."""
        return tuple(name for name, pipeline in self.found.items() if pipeline is None)

    def _place(self, name: str) -> Files | None:
        """name: with `@` and the revision behind it, where one is asked for; what lies here has none."""
        asked, name = name, name.partition("@")[0] or name
        if asked in self.models or name in self.models:
            return self.models.get(asked) or self.models[name]
        if not name or "\0" in name or len(name) > 4096:
            return None
        for folder in self.beside:
            path = folder / name
            try:
                if path.is_dir() and any((path / known).is_file() for known in ("model_index.json", "config.json")):
                    return Directory(path, name)
            except OSError:
                return None
        inner = name.removeprefix("./").strip("/")
        if self.within and any(entry.name.startswith(inner + "/") for entry in self.within.entries()):
            return Below(self.within, inner)
        return self.elsewhere(asked) if self.elsewhere else None


def scan_scripts(
    files: Files,
    request: Request,
    known: Knowledge,
    resolve: Resolve | None = None,
    arguments: Sequence[str] = (),
    told: Callable[[str], None] | None = None,
) -> Report:
    """Everything that the scripts of one place say. arguments: of the script, where there is one. Nothing is executed."""
    reader = ScriptReader(files, known, request, resolve)
    findings: list[Finding] = []
    seen: Counter[str] = Counter()
    lines: dict[Where, str] = {}
    loaded: list[Loaded] = []
    for entry in files.entries():
        if not entry.name.endswith(SUFFIXES):
            continue
        script, problems = reader.read(entry, arguments)
        if script is None and not problems:
            continue
        if told:
            told(entry.name)
        seen["scripts"] += 1
        seen["calls"] += len(script.calls) if script else 0
        made = judge_script(script, problems, known)
        if script:
            made = by_comments(made, script, known, request, not getattr(resolve, "unlinked", ()))
            loaded += loaded_by(script, request.device)
            lines |= {place: script.line(place) for place in _places(made)}
        findings += made
    found = tuple(sorted(fingerprinted(findings), key=lambda finding: finding.key))
    return Report(found, (), +seen, request, label=files.label, lines=lines, loaded=tuple(loaded))


def commented(report: Report, path: Path) -> Report:
    """The report on runs of a script, muted by the comments in that as far as it points at lines of it."""
    files = AsGiven(path)
    try:
        content = files.read(files.label)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (OSError, SyntaxError, UnicodeDecodeError, LookupError):
        return report
    return replace(report, findings=by_lines(report.findings, files.label, {0: text}))


def _places(findings: Iterable[Finding]) -> Iterator[Where]:
    """The lines that findings point at."""
    for finding in findings:
        for place in (finding.where, finding.against):
            if place is not None and place.line:
                yield place
