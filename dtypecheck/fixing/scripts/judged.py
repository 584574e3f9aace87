"""A script as it would be: read and judged again, to tell what an edit mends and what it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...engine.scripts import Resolve, scan_scripts
from ...files import Entry, Memory
from ...findings import Finding
from ...knowledge import Knowledge
from ...read.scripts import ScriptReader
from ...report import Report
from ...subjects import Request
from ...subjects.scripts import Script
from ..worse import new
from .document import parses

_LOADS = ("load", "derive", "build")
_Key = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """One text of a script, and what a scan says about it."""

    path: str
    data: bytes
    request: Request
    known: Knowledge
    resolve: Resolve | None = None
    arguments: Sequence[str] = field(default=())

    @cached_property
    def report(self) -> Report:
        """The scan."""
        return scan_scripts(Memory({self.path: self.data}), self.request, self.known, self.resolve, self.arguments)

    @cached_property
    def script(self) -> Script | None:
        """What the reader makes of it."""
        reader = ScriptReader(Memory({self.path: self.data}), self.known, self.request, self.resolve)
        return reader.read(Entry(self.path, len(self.data), self.path), self.arguments)[0]

    @property
    def findings(self) -> list[Finding]:
        """Those about scripts that nobody muted, by line."""
        found = [finding for finding in self.report.counted if finding.code.startswith("DT2")]
        return sorted(found, key=lambda f: (_cell(f), f.where.line or 0, f.code))

    def after(self, data: bytes) -> Judged:
        """The same script with another text."""
        return Judged(self.path, data, self.request, self.known, self.resolve, self.arguments)

    def answered(self, later: Judged) -> list[str]:
        """The codes of which there is less later."""
        gone = _counted(self.findings) - _counted(later.findings)
        return list(dict.fromkeys(code for code, _ in gone))

    def worse(self, later: Judged) -> str:
        """What a later text has that this one has not, in words; nothing when it is no worse."""
        if not parses(self.path, later.data):
            return "it would not parse"
        if found := self.fresh(later):
            return f"after it there would be {found[0].code}: {found[0].message}"
        if _known(later.script) < _known(self.script):
            return "after it the dtype of a part could no longer be told"
        return ""

    def fresh(self, later: Judged) -> list[Finding]:
        """The findings that a later text has and this one has not."""
        return new(self.report, later.report)

    def mends(self, finding: Finding, later: Judged) -> bool:
        """Whether a finding is gone, and not only moved or worded otherwise."""
        key = finding.code, finding.component
        return _counted(later.findings)[key] < _counted(self.findings)[key]


def _cell(finding: Finding) -> int:
    return int(finding.where.at.removeprefix("cell ")) if finding.where.at.startswith("cell ") else 0


def _counted(findings: Sequence[Finding]) -> Counter[_Key]:
    return Counter((finding.code, finding.component) for finding in findings)


def _known(script: Script | None) -> int:
    """Loads whose dtype is known."""
    calls = script.calls if script else ()
    return sum(call.means in _LOADS and call.result is not None and call.result.dtype.known for call in calls)
