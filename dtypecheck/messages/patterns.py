"""A pattern of rules/messages.toml as a regular expression that forgives what people forget: articles, quotes, line breaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .spelled import TOKEN

_GAP: Final = r"(?:[\s,;:.\"*]+(?:(?:the|an?)[\s\"]+)?)"
"""What may stand where a pattern has a blank."""
_ROLE: Final = re.compile(r"\{([a-z]\w*)\}")
_LOWER: Final = re.compile(r"(\\.|\(\?P)|([A-Z]+)")
_SAME: Final = (
    (re.compile(r"(?<![\w|:(?])(?:must|should)(?![\w|)])"), "(?:must|should|needs? to|has to|have to)"),
    (re.compile(r"(?<![\w.(`])dtypes?(?![\w=?(])"), "(?:dtypes?|data types?)"),
)
"""Words that people take for each other."""
_QUOTES: Final = str.maketrans(dict.fromkeys("'`´‘’“”«»", '"') | {"İ": "i"})
_LITERAL: Final = re.compile(r"[a-z_][\w-]*")


def normal(text: str) -> str:
    """The text in one line and in lower case, all quotes alike: what patterns are held against. As long as `one_line` of it."""
    return one_line(text).translate(_QUOTES).lower()


def one_line(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. words: what a text must hold for it to fit, in lower case, the longest first. roles: its dtypes."""

    source: str
    words: tuple[str, ...]
    roles: tuple[str, ...]

    @property
    def expression(self) -> re.Pattern[str]:
        """The regular expression, compiled when it is first asked for."""
        return _compiled(self.source)


def pattern(source: str) -> Pattern:
    """A pattern as it stands in a row."""
    return Pattern(source, _words(source), tuple(dict.fromkeys(_ROLE.findall(source))))


@lru_cache(maxsize=1024)
def _compiled(source: str) -> re.Pattern[str]:
    """errors: re.error for a pattern that is none; the test of the rows finds it."""
    text = _LOWER.sub(lambda m: m[1] or m[2].lower(), source)
    for words, loose in _SAME:
        text = words.sub(loose, text)
    text = text.replace(" ", "\0").replace("\0", _GAP)
    text = _ROLE.sub(lambda m: rf"\"?(?P<{m[1]}>{TOKEN})", text)
    return re.compile(text)


def _words(source: str) -> tuple[str, ...]:
    """The words outside of all groups and classes that nothing makes optional."""
    text = _ROLE.sub(" ", _LOWER.sub(lambda m: m[1] or m[2].lower(), source))
    plain, depth, i = "", 0, 0
    while i < len(text):
        char = text[i]
        if char == "\\":
            i, char = i + 1, " "
        elif char == "[":
            i, char = text.index("]", i + 2), " "
        elif char == "(":
            depth += 1
        elif char == ")":
            depth, char = depth - 1, "."
        plain += char if depth == 0 else " " if char == "(" else ""
        i += 1
    plain = re.sub(r"[\w-]*\w[?*]|\.?\{[\d,]+\}|[.?*+$^()]", " ", plain)
    found = (word for word in dict.fromkeys(_LITERAL.findall(plain)) if word not in _VAGUE)
    return tuple(sorted(found, key=lambda word: -len(word)))


_VAGUE: Final = ("the", "must", "should", "dtype", "dtypes", "a", "an")
"""Words that a text may lack: they have others in their place."""
