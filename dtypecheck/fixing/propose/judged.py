"""Whether a step may be offered: the same scan judges the files after it, and nothing in it may be worse than before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...edits import Edit
from ...engine import scan
from ...files import Files
from ...knowledge import Knowledge
from ...report import Report
from ...subjects import Request
from ..overlay import after
from ..refusal import Refusal
from ..worse import bare, new


@dataclass(frozen=True, slots=True)
class Judge:
    """The target as it is, and how it is judged."""

    files: Files
    request: Request
    known: Knowledge
    before: Report

    def after(self, edits: Iterable[Edit]) -> Report:
        """What a scan says after the edits. errors: Refusal where they do not fit the files."""
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
