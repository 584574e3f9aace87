"""A page as a strict reader sees it: every element closed where it must be, attributes, texts, links."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = {"br", "input", "link", "meta", "wbr"}


@dataclass
class Element:
    """An element with all that is in it."""

    name: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(item if isinstance(item, str) else item.text for item in self.inside)

    @property
    def classes(self) -> list[str]:
        """Its classes."""
        return self.attributes.get("class", "").split()

    def all(self, name: str = "", klass: str = "") -> list[Element]:
        """Every element in it of a name and of a class, in the order of the page."""
        found = []
        for item in self.inside:
            if isinstance(item, Element):
                if name in ("", item.name) and (not klass or klass in item.classes):
                    found.append(item)
                found += item.all(name, klass)
        return found

    def one(self, name: str = "", klass: str = "") -> Element:
        """The only one."""
        (found,) = self.all(name, klass)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].inside.append(element)
        if tag not in EMPTY:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(text: str) -> Element:
    """The page. errors: AssertionError where an element is not closed in its turn."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].name}> stays open"
    return reader.root
