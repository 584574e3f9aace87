"""The pipeline as coloured blocks: one a component in order of execution, its dtypes, its size, and the findings about it."""

from __future__ import annotations

from math import sqrt
from typing import Final

from ..checks.words import size
from .html_colours import FAMILIES, family
from .html_places import Block, Numbered, Part
from .html_tags import Html, tag
from .words import loads_as, plural, stored

NARROWEST: Final = 8.0
"""The least part of a row, in percent, that a block has, so that its words have room."""


def blocks(part: Part, front: str) -> Html:
    """All blocks of a part, and what their colours mean."""
    if not part.blocks:
        return Html()
    total = sum(sqrt(block.nbytes) for block in part.blocks) or 1.0
    items = [_block(part, block, n, 100 * sqrt(block.nbytes) / total, front) for n, block in enumerate(part.blocks, 1)]
    return Html(tag("ol", *items, class_="map") + legend({block.family for block in part.blocks}))


def legend(used: set[str]) -> Html:
    """The families of dtypes that are there, each with its colour."""
    items = [tag("li", tag("span", class_=f"swatch {name}"), words) for name, words in FAMILIES.items() if name in used]
    return tag("ul", *items, class_="legend", aria_label="What the colours mean") if items else Html()


def _block(part: Part, block: Block, number: int, share: float, front: str) -> Html:
    findings = tuple(part.of_block(block.name))
    inside = [
        tag("p", tag("span", str(number), class_="nr"), " ", tag("b", block.name or "the model"), class_="name"),
        tag("p", block.klass, class_="klass") if block.klass else "",
        tag("p", tag("span", said(block, part), class_="chip"), facts(block)),
        _stored(block),
        _bar(block),
        tag("ul", *(mark(item, front) for item in findings), class_="marks") if findings else "",
    ]
    style = f"flex-grow: {max(share, NARROWEST):.0f}"
    return tag("li", *inside, id=part.block_anchor(block.name), class_=f"block {block.family}", style=style)


def said(block: Block, part: Part) -> str:
    """The dtype of a component in a word or two: as seen where it was watched, else as planned."""
    if not part.watched and block.component and block.component.load:
        return loads_as(block.component)
    return " + ".join(dtype.short for dtype in block.named) or "dtype not known"


def facts(block: Block) -> str:
    """Its bytes and how often it was called, where that is known."""
    parts = [size(block.nbytes)] * bool(block.nbytes) + [f"called {plural(block.calls, 'time')}"] * bool(block.calls)
    return f" {' · '.join(parts)}" if parts else ""


def _stored(block: Block) -> Html:
    component = block.component
    if component is None or not component.sets:
        return Html()
    declared = f", declared {component.declared.dtype.short}" if component.declared else ""
    return tag("p", f"stored {stored(component)}{declared}", class_="faint")


def _bar(block: Block) -> Html:
    """How the dtypes share the component, as a strip; nothing where there is only one."""
    if len(block.named) < 2:
        return Html()
    total = sum(block.shares.values())
    strips = [
        tag("span", class_=f"strip {family(dtype)}", style=f"flex-grow: {100 * share / total:.1f}")
        for dtype, share in block.shares.items()
        if dtype in block.named
    ]
    words = ", ".join(f"{dtype.short} {100 * block.shares[dtype] / total:.0f} %" for dtype in block.named)
    return tag("div", *strips, class_="bar", role="img", aria_label=words, title=words)


def mark(item: Numbered, front: str) -> Html:
    """A finding in one line that leads to its card."""
    found = item.finding
    words = tag("span", f"{found.severity}: {found.name}", class_="words")
    link = tag("a", tag("span", str(item.number), class_="nr"), " ", words, href=f"#{item.anchor(front)}")
    return tag("li", link, class_=found.severity)
