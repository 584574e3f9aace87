"""A stranger's words in Markdown: nothing in them is markup, a link, an image, a mention or a reference to an issue."""

from __future__ import annotations

import re
from typing import Final

from .words import clean

NOTHING: Final = "&#8203;"
"""A space of no width: what stands behind a sign is no part of a name any more."""
_MEANT: Final = re.compile(
    r"""
    (?P<sign>[&<>`*\[\]|~\\$] | (?<![^\W_])_ | _(?![^\W_]))  # markup; an underline within a word is none
    | (?P<name>@ | \#(?=\d) | \bgh-(?=\d))                   # a mention, a reference to an issue
    | (?P<link>:(?=//) | (?<=\bwww)\. | (?<=\bmailto): | (?<=\bxmpp):)
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What GitHub does not take as it stands."""


def plain(text: str, most: int | None = None) -> str:
    """The words as Markdown that shows just them. most: characters, of longer ones the beginning."""
    return _MEANT.sub(_spelled, clip(clean(text), most))


def _spelled(found: re.Match[str]) -> str:
    return found.group() + NOTHING if found["name"] else f"&#{ord(found.group())};"


def code(text: str, most: int | None = None) -> str:
    """The words as code; nothing for none."""
    words = clip(clean(text), most)
    if not words:
        return ""
    simple = not set(words) & set("`|\\") and words == words.strip()
    return f"`{words}`" if simple else f"<code>{plain(words)}</code>"


def clip(text: str, most: int | None) -> str:
    """The beginning of a text that is too long."""
    return text if most is None or len(text) <= most else text[: most - 3] + "..."
