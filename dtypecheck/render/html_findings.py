"""The findings as cards: what, where, against what, why it hurts, what PyTorch says, what to do; each leads to its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..findings import Finding
from ..report import Report
from .html_places import Numbered, Part
from .html_tags import Html, path, prose, tag, text
from .words import plural


def findings(report: Report, parts: Sequence[Part], front: str, level: int, most: int | None = None) -> Html:
    """Errors and warnings from the worst, then the notes and what is muted, folded. most: how many cards stand unfolded."""
    all_of = [Numbered(number, finding) for number, finding in enumerate(report.counted, 1)]
    loud = [item for item in all_of if item.finding.severity != "note"]
    quiet = [item for item in all_of if item.finding.severity == "note"]
    muted = [finding for finding in report.findings if finding.muted is not None]
    if not all_of and not muted:
        return Html()
    cards = [card(item, parts, front, level + 1) for item in loud]
    most = len(cards) if most is None else most
    inside = [
        tag(f"h{level}", "Findings", id=f"{front}findings"),
        *cards[:most],
        _folded(f"{len(cards) - most:,} more", cards[most:]),
        _folded(plural(len(quiet), "note"), [card(item, parts, front, level + 1) for item in quiet]),
        _folded(f"{len(muted):,} muted", [_muted(finding) for finding in sorted(muted, key=lambda finding: finding.key)]),
    ]
    return tag("section", *inside, aria_labelledby=f"{front}findings")


def _folded(title: str, inside: Iterable[Html]) -> Html:
    cards = list(inside)
    return tag("details", tag("summary", title), *cards) if cards else Html()


def card(item: Numbered, parts: Sequence[Part], front: str, level: int) -> Html:
    """One finding in full."""
    found = item.finding
    head = tag(
        f"h{level}",
        tag("span", str(item.number), class_="nr"),
        tag("span", found.severity, class_="pill"),
        tag("span", found.code, class_="code"),
        " ",
        prose(found.message),
        id=f"{item.anchor(front)}h",
    )
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in told(found)]
    inside = [head, tag("dl", *rows) if rows else "", _links(item, parts)]
    return tag(
        "article", *inside, id=item.anchor(front), class_=f"card {found.severity}", aria_labelledby=f"{item.anchor(front)}h"
    )


def told(finding: Finding) -> Iterator[tuple[str, str]]:
    """All that a finding says besides its message, by name."""
    placed = str(finding.where)
    if finding.where.path:
        yield "where", path(placed)
    if finding.against and str(finding.against) != placed:
        yield "against", path(str(finding.against))
    if finding.because:
        yield "because", prose(finding.because)
    if finding.says:
        yield "says", tag("samp", finding.says)
    if finding.fix:
        yield "fix", prose(finding.fix.title + ("" if finding.fix.lossless else " (lossy)"))
    for words in finding.alternatives:
        yield "or", prose(words)


def _links(item: Numbered, parts: Sequence[Part]) -> Html:
    """To the block and the row that it is about, and what to type for more."""
    links: list[str] = []
    for part in parts:
        if item not in part.numbered:
            continue
        for block in part.blocks:
            if item in part.of_block(block.name):
                links += [tag("a", f"block {block.name or 'of the model'}", href=f"#{part.block_anchor(block.name)}"), " · "]
        if part.tabled and (row := part.row(item.finding.where.at)):
            links += [tag("a", "row in the table of modules", href=f"#{row}"), " · "]
    return tag("p", *links, tag("code", f"dtypecheck explain {item.finding.code}"), class_="faint links")


def _muted(finding: Finding) -> Html:
    reason = finding.muted or "no reason given"
    words = text(f"{finding.severity} {finding.code} {finding.message} ({finding.where})")
    return tag("p", words, tag("br"), tag("span", f"muted: {reason}", class_="faint"), class_="muted")
