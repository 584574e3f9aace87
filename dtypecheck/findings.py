"""A place, a fix and a finding: all that a rule can say."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final, Literal

from .edits import Edit

Severity = Literal["error", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
Muter = Literal["source", "settings", "baseline"]
"""Who mutes a finding: a comment in the script, the settings file, or the baseline."""


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place: a posix path relative to the target, inside it a JSON pointer, tensor key or module path, and a line.

    line: counted from 1, None where the place is no text.
    """

    path: str
    at: str = ""
    line: int | None = None

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        if line and self.at.startswith("cell "):
            return f"{self.path} {self.at}{line}"
        return f"{self.path}{line}" + (f" {self.at}" if self.at and not self.line else "")


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do: a title that reads as an instruction, and edits as data (none where only the caller can do it).

    lossless: no number that can be held today is lost. verified: the plan after it was checked to have no new finding.
    """

    title: str
    lossless: bool = True
    edits: tuple[Edit, ...] = ()
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Two witnesses that disagree, or one that breaks a known fact.

    message: who, what and against what, never advice. because: one sentence why it hurts. says: what PyTorch will print.
    source: part of the fingerprint, the normalised text the finding stands on. muted: the reason, None when it counts;
    muted_by: who gave it.
    pipeline, component: what it is about, as far as it is about one (the engine fills them in); also: further components.
    """

    code: str
    name: str
    severity: Severity
    where: Where
    message: str
    against: Where | None = None
    because: str = ""
    says: str = ""
    fix: Fix | None = None
    alternatives: tuple[str, ...] = ()
    muted: str | None = None
    source: str = ""
    fingerprint: str = ""
    pipeline: str = ""
    component: str = ""
    also: tuple[str, ...] = ()
    muted_by: Muter | None = None

    @property
    def key(self) -> tuple[int, str, str, str, int, str]:
        """What findings are sorted by: the worst first, then by code, place and words."""
        place = self.where
        return SEVERITIES.index(self.severity), self.code, place.path, place.at, place.line or 0, self.message

    def mute(self, reason: str, by: Muter = "settings") -> Finding:
        """The same finding, still there but no longer counted."""
        return replace(self, muted=reason, muted_by=by)


def fingerprinted(findings: list[Finding]) -> list[Finding]:
    """The findings with their fingerprints: sha256 over code, path, place and source text; `#2` for the second equal one.

    The number of a notebook's cell is no part of the place: like a line it moves with what is put in before it.
    """
    seen: dict[str, int] = {}
    result = []
    for finding in findings:
        at = "" if finding.where.at.startswith("cell ") else finding.where.at
        text = "\n".join((finding.code, finding.where.path, at, " ".join(finding.source.split())))
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        seen[digest] = count = seen.get(digest, 0) + 1
        result.append(replace(finding, fingerprint=digest if count == 1 else f"{digest}#{count}"))
    return result
