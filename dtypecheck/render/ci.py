"""What the formats for continuous integration share: a line that is always there, and the words of a finding."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from ..checks.words import size
from ..findings import SEVERITIES, Finding, Where
from ..report import Report
from ..subjects import Component
from .words import clean, loads_as, plural, stored


def line(where: Where) -> int:
    """The line of a file, 1 where there is none; that of a notebook's cell is no line of its file."""
    return where.line if where.line and where.line > 0 and not in_cell(where) else 1


def in_cell(where: Where) -> bool:
    """True for a place in a notebook's cell."""
    return where.at.startswith("cell ")


def said(finding: Finding) -> str:
    """The message; in front of it the cell of a notebook, which a path alone does not tell."""
    where = finding.where
    cell = f"{where.at}, line {where.line}: " if in_cell(where) and where.line else f"{where.at}: " if in_cell(where) else ""
    return clean(cell + finding.message)


def at(where: Where, report: Report) -> str:
    """A place in words, from the working directory."""
    return clean(str(Where(report.place(where.path), where.at, where.line)))


def told(finding: Finding, report: Report) -> Iterator[str]:
    """All that a finding says behind its message, a line each: the other witness, why, PyTorch's words, what to do."""
    if finding.against and finding.against != finding.where:
        yield f"against: {at(finding.against, report)}"
    yield from (clean(f"{name}: {words}") for name, words in (("because", finding.because), ("says", finding.says)) if words)
    if finding.fix:
        yield clean(f"fix: {finding.fix.title}" + ("" if finding.fix.lossless else " (lossy)"))
    yield from (clean(f"or: {words}") for words in finding.alternatives)


def named(part: Component) -> str:
    """What a component is called; a model that is no part of a pipeline has no name."""
    return part.name or part.klass or "the model"


def loaded(part: Component) -> str:
    """A component in a line: its class, how it is stored, and what it loads as."""
    nbytes = part.loads().nbytes
    facts = [f"stored {stored(part)}", f"loads as {loads_as(part)}"] if part.sets or part.load else []
    return clean(": ".join(filter(None, (part.klass, ", ".join(facts + [size(nbytes)] * bool(nbytes))))))


def identity(finding: Finding) -> str:
    """The fingerprint of a finding; one made by hand, without any, gets one out of its place and words."""
    place = finding.where
    made = "\n".join((finding.code, place.path, place.at, str(place.line), finding.message))
    return finding.fingerprint or sha256(made.encode("utf-8", "surrogatepass")).hexdigest()


def counts(findings: tuple[Finding, ...]) -> str:
    """2 errors, 1 note."""
    numbers = ((word, sum(finding.severity == word for finding in findings)) for word in SEVERITIES)
    return ", ".join(plural(count, word) for word, count in numbers if count)


def muted(report: Report) -> tuple[Finding, ...]:
    """The findings that do not count, sorted as the others."""
    return tuple(sorted((finding for finding in report.findings if finding.muted is not None), key=lambda finding: finding.key))
