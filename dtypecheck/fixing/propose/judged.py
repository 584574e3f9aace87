"""Whether a step may be offered: the same scan judges the files after it, and nothing in it may be worse than before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from ...edits import Edit, touched
from ...engine import scan
from ...files import Files, Some
from ...knowledge import Knowledge
from ...report import Report
from ...subjects import Pipeline, Request
from ..overlay import after
from ..refusal import Refusal
from ..worse import bare, new

_Share = tuple[str, tuple[Edit, ...]]


@dataclass(frozen=True, slots=True)
class Judge:
    """The target as it is, and how it is judged. Each model after each list of edits of its files is scanned once."""

    files: Files
    request: Request
    known: Knowledge
    before: Report
    scans: dict[_Share, Report] = field(default_factory=dict)

    def after(self, edits: Iterable[Edit]) -> Report:
        """What a scan says after the edits, as far as `worse` looks at it. errors: Refusal where they do not fit the files."""
        shares = list(self._shares(tuple(edits)))
        folders = [folder for folder, _ in shares]
        report = Report(
            tuple(finding for finding in self.before.findings if not _in_any(finding.where.path, folders)),
            tuple(pipeline for pipeline in self.before.pipelines if not _in_any(pipeline.path, folders)),
            sound={path: sound for path, sound in self.before.sound.items() if not _in_any(path, folders)},
        )
        return sum(map(self._scan, shares), report)

    def whole(self, edits: Iterable[Edit]) -> Report:
        """The scan of all of the target after the edits. errors: as for `after`."""
        return scan(after(self.files, edits), self.request, self.known)

    def holds(self, edits: Iterable[Edit]) -> bool:
        """Whether the edits fit the files, and nothing is worse after them."""
        try:
            return not self.worse(self.after(edits))
        except Refusal:
            return False

    def worse(self, report: Report) -> str:
        """What a report has that the target does not have now, in words; nothing when it is no worse."""
        if found := new(self.before, report):
            return f"after it there would be {found[0].code}: {found[0].message}"
        now = {bare(path): sound for path, sound in report.sound.items()}
        for path, sound in self.before.sound.items():
            lost = sorted(dtype.short for dtype in sound - now.get(bare(path), frozenset()))
            if lost:
                return f"after it {path if path != '.' else 'the model'} would no longer run in {lost[0]}"
        return ""

    def _scan(self, share: _Share) -> Report:
        if share not in self.scans:
            folder, edits = share
            files = Some(self.files, lambda name: _in(name, folder), self.files.label)
            self.scans[share] = scan(after(files, edits), self.request, self.known)
        return self.scans[share]

    def _shares(self, edits: tuple[Edit, ...]) -> Iterator[_Share]:
        """The edits by the folders of the models that they touch; all of them for the target itself where one is in none."""
        models = set(map(_folder_of, self.before.pipelines))
        found: dict[str, list[Edit]] = {}
        for edit in edits:
            folders = {_outermost(path, models) for path in touched(edit)}
            found.setdefault(folders.pop() if len(folders) == 1 else "", []).append(edit)
        yield from [("", edits)] if "" in found else [(folder, tuple(share)) for folder, share in found.items()]


def _folder_of(pipeline: Pipeline) -> str:
    """The folder that a model lies in, "" for the target: what is said of it hangs on the files in there alone."""
    if pipeline.kind in ("single-file", "adapter"):
        return pipeline.path.rpartition("/")[0]
    return "" if pipeline.path == "." else pipeline.path


def _outermost(path: str, models: Collection[str]) -> str:
    """The outermost folder of a model that a file lies in, "" where it is in none."""
    parts = path.split("/")[:-1]
    above = ("/".join(parts[:count]) for count in range(len(parts) + 1))
    return next((folder for folder in above if folder in models), "")


def _in(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _in_any(path: str, folders: Iterable[str]) -> bool:
    return any(_in(path, folder) for folder in folders)
