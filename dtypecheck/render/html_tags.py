"""Markup that escapes by itself: every text put into an element is a stranger's, until it is `Html`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from .words import clean

EMPTY: Final = frozenset({"br", "input", "link", "meta", "wbr"})
"""Elements without an end tag."""
Value = str | int | float | bool | None


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(words: str) -> Html:
    """A stranger's words as markup: nothing in them is an element, and control characters are spelled out."""
    return words if isinstance(words, Html) else Html(escape(clean(words)))


def join(parts: Iterable[str], between: str = "") -> Html:
    """One piece of markup after the other."""
    return Html(text(between).join(map(text, parts)))


def tag(name: str, /, *inside: str, **attributes: Value) -> Html:
    """An element. `class_` is class, `data_i` is data-i; None and False leave an attribute out, True is a bare one."""
    pairs = [
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(clean(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    end = "" if name in EMPTY else f"{join(inside)}</{name}>"
    return Html(f"<{name}{''.join(pairs)}>{end}")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str, told: bool = False) -> Html:
    """A small table, which a narrow screen shows as a list; the first cell of a row heads it. told: the caption can be seen.

    The roles say again what the elements say: a browser forgets that once they are laid out as a list.
    """
    head = tag("tr", *(tag("th", words, scope="col", role="columnheader") for words in heads), role="row")
    body = [tag("tr", *_cells(row, heads), role="row") for row in rows]
    groups = tag("thead", head, role="rowgroup"), tag("tbody", *body, role="rowgroup")
    return tag("table", tag("caption", caption, class_=None if told else "unseen"), *groups, class_="plain", role="table")


def _cells(row: Sequence[str], heads: Sequence[str]) -> Iterator[Html]:
    first, *rest = row
    yield tag("th", first, scope="row", role="rowheader")
    for head, words in zip(heads[1:], rest, strict=True):
        yield tag("td", tag("span", words), role="cell", data_head=head)


def path(module: str) -> Html:
    """A module path that may break behind its dots."""
    return Html(text(module).replace(".", ".<wbr>"))


def prose(words: str) -> Html:
    """A sentence in which only what looks like a module path may break behind its dots."""
    return join((path(word) if word.count(".") > 1 else word for word in words.split(" ")), " ")
