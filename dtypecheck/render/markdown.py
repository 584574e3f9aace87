"""The report as Markdown for a pull request: the verdict, a table of findings, all else folded, never longer than allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..checks.words import size
from ..findings import Finding
from ..report import Report
from .ci import at, muted, named, said, told
from .marked import code, plain
from .options import Look, Out
from .words import loads_as, plural, stored, verdict
from .words_runs import verdicts

COMMENT: Final = 65_536
"""Characters that GitHub takes as a comment; here they are bytes, which are never fewer."""
SUMMARY: Final = 1_000_000
"""Bytes that GitHub takes as the summary of a step, a little less."""
_ROW: Final = 400
_FULL: Final = 2_000
"""Characters of one text in the table, and in full."""
_UNCHECKED: Final = 20
_CUT: Final = 400
"""Bytes kept back for what says that something is left out, and for the ends of what is open."""


def render(report: Report, out: Out, look: Look) -> None:
    """A comment for a pull request; it is the same at every verbosity, what is long is folded."""
    out.write(page(report))


def page(report: Report, most: int = COMMENT) -> str:
    """The whole of it. most: bytes it may have; where it has more, a line says what is left out."""
    text, room = "", most - _CUT
    for piece in (*_top(report), *_table(report)):
        if _bytes(text) + _bytes(piece) > room:
            return text + "\n\n_Cut here: this is longer than allowed. The whole report is in the log._\n"
        text += piece
    for title, items in _folded(report):
        kept: list[str] = []
        left = room - _bytes(text) - _bytes(title) - 100
        for item in items:
            left -= _bytes(item)
            if left < 0:
                break
            kept.append(item)
        more = f"\n_and {len(items) - len(kept):,} more, left out because this would be longer than allowed_\n"
        more = more if len(kept) < len(items) else ""
        text += f"\n<details><summary>{title}</summary>\n\n{''.join(kept)}{more}\n</details>\n"
    return text


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _top(report: Report) -> Iterator[str]:
    gate = report.gate
    if gate is None:
        first, *others = verdicts(report)
        yield f"### dtypecheck: {plain(first, _ROW)}\n"
        yield from (f"\n{plain(words, _ROW)}\n" for words in others)
        yield f"\nof {code(report.label, _ROW)}\n" if report.label else ""
        return
    yield f"### dtypecheck: {gate.verdict}\n\n**because** {plain(gate.because, _FULL)}\n"
    yield f"\n{plain(verdict(report), _ROW)}" + (f", of {code(report.label, _ROW)}\n" if report.label else "\n")
    if gate.unchecked:
        yield "\n**not checked**\n\n"
        yield from (f"- {plain(words, _ROW)}\n" for words in gate.unchecked[:_UNCHECKED])
        left = len(gate.unchecked) - _UNCHECKED
        yield f"- and {left:,} more\n" if left > 0 else ""


def _table(report: Report) -> Iterator[str]:
    """Errors and warnings, and the notes behind them."""
    if not report.counted:
        return
    yield "\n| | where | what | to do |\n|---|---|---|---|\n"
    for finding in report.counted:
        mark = f"**{finding.severity}** {finding.code}" if finding.severity != "note" else f"note {finding.code}"
        todo = plain(finding.fix.title, _ROW) if finding.fix else ""
        yield f"| {mark} | {code(at(finding.where, report), _ROW)} | {plain(said(finding), _ROW)} | {todo} |\n"


def _folded(report: Report) -> Iterator[tuple[str, list[str]]]:
    """What is shown when it is asked for: a title, and its items."""
    if report.counted:
        yield f"{plural(len(report.counted), 'finding')} in full", [_full(finding, report) for finding in report.counted]
    if rows := list(_components(report)):
        title = f"{plural(len(rows), 'component')}: stored as, loads as"
        yield title, ["| component | class | stored | loads as | bytes |\n|---|---|---|---|---|\n", *rows]
    if away := muted(report):
        yield f"{len(away):,} muted", [_away(finding, report) for finding in away]


def _full(finding: Finding, report: Report) -> str:
    head = f"- **{finding.severity} {finding.code}** {code(at(finding.where, report), _FULL)} {plain(said(finding), _FULL)}\n"
    explain = f"  - {code(f'dtypecheck explain {finding.code}')}\n"
    return head + "".join(f"  - {plain(words, _FULL)}\n" for words in told(finding, report)) + explain


def _away(finding: Finding, report: Report) -> str:
    by = f" ({finding.muted_by})" if finding.muted_by else ""
    head = f"- {finding.severity} {finding.code} {code(at(finding.where, report), _ROW)} {plain(said(finding), _ROW)}: "
    return head + f"{plain(finding.muted or 'no reason given', _ROW)}{by}\n"


def _components(report: Report) -> Iterable[str]:
    for pipeline in report.pipelines:
        for part in pipeline.components:
            if not part.sets and not part.load:
                continue
            name = named(part) if len(report.pipelines) == 1 else f"{pipeline.path}/{named(part)}".removeprefix("./")
            nbytes = size(part.loads().nbytes) if part.loads().nbytes else ""
            cells = (code(name, _ROW), plain(part.klass or "", _ROW), plain(stored(part)), plain(loads_as(part)), nbytes)
            yield f"| {' | '.join(cells)} |\n"
