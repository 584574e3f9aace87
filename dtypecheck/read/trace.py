"""The text of a traceback as records: exceptions and the frames they came through, in whatever log or notebook they stand.

Python's own form (with marks, groups, `[rank0]:` or a time in front of each line), that of notebooks and rich's boxes are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

Link = Literal["", "cause", "context"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One place that an exception came through. path: as it is there, with `/`. code: its line. part: what of it is marked."""

    path: str
    line: int | None
    function: str = ""
    code: str = ""
    part: str = ""

    @property
    def installed(self) -> bool:
        """True for a file of a library or of Python, False for one of the user's own."""
        return any(mark in f"/{self.path}" for mark in _INSTALLED) or self.path.startswith("<frozen ")

    @property
    def place(self) -> str:
        """`diffusers/pipelines/x.py:12` for a file of a library, the path as it stands there for others."""
        path = self.path
        for folder in ("/site-packages/", "/dist-packages/", "/src/diffusers/", "/src/transformers/"):
            _, found, after = path.rpartition(folder)
            if found:
                path = f"{folder.removeprefix('/src/')}{after}" if "/src/" in folder else after
        return f"{path}:{self.line}" if self.line else path


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception. kind: its class, as it is printed. frames: outermost first. link: how the exception after it came of it.

    kind and message are empty for frames that stand there without an exception.
    """

    kind: str
    message: str
    frames: tuple[Frame, ...] = ()
    link: Link = ""

    @property
    def says(self) -> str:
        """The last line of a traceback, without what follows its first line."""
        first = self.message.split("\n", 1)[0].strip()
        return f"{self.kind}: {first}" if first else self.kind


_INSTALLED: Final = (
    *("/site-packages/", "/dist-packages/", "/lib/python3", "/Lib/python3", "/torch/nn/"),
    *(
        "/src/diffusers/",
        "/src/transformers/",
        "/src/accelerate/",
        "/src/peft/",
        "/Lib/concurrent/",
        "/Lib/asyncio/",
        "/.pyenv/versions/",
    ),
)
_ANSI: Final = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_BOX: Final = re.compile(r"^[ \t]*[│┃|] ?(.*?)[│┃|]?[ \t]*$")
_PYTHON: Final = re.compile(r'File "(?P<path>[^"\n]{1,1000})", line (?P<line>\d{1,9})(?:, in (?P<name>[^\n]{1,300}))?')
_IPYTHON: Final = re.compile(r"^ *File (?P<path>(?:[A-Za-z]:)?[^:\"\n]{1,500}):(?P<line>\d{1,9})(?:, in (?P<name>[\w.<>]+).*)?$")
_CELL: Final = re.compile(
    r"^(?:(?P<cell>Cell In ?\[\d+\]), line (?P<line>\d+)|(?P<old>Input In ?\[\d+\]|<ipython-input-[^>]*>).*)$"
)
_RICH: Final = re.compile(r"^(?P<path>(?:[A-Za-z]:)?[^\s:][^:\n]{0,500}\.py):(?P<line>\d{1,9}) in (?P<name>[\w.<>]+)\s*$")
_ARROW: Final = re.compile(r"^(?:-+> ?(?P<line>\d+)\s(?P<code>.*)|❱ ?\d+ (?P<rich>.*))$")
_MARKS: Final = re.compile(r"^[\s~^]*[~^][\s~^]*$")
_NAMED: Final = re.compile(
    r"(?:^|[\s\]>|:])(?P<kind>(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,80}(?:Error|Exception|Interrupt|Warning|Exit)): "
    r"(?P<text>[^\n]*)"
)
_AT_COLUMN: Final = re.compile(r"^(?P<kind>[A-Za-z_][\w.]{0,200})(?:: (?P<text>.*))?$")
_LINKS: Final[tuple[tuple[str, Link], ...]] = (
    ("The above exception was the direct cause of", "cause"),
    ("During handling of the above exception", "context"),
)
_HEAD: Final = "Traceback (most recent call last)"
_RULE: Final = re.compile(r"^\s*\+-{4,}")
"""The line between the members of a group."""
_DIGITS: Final = re.compile(r"\d")
_LONGEST: Final = 40
"""Lines of one exception's message that are read."""


def decode(data: bytes) -> str:
    """Text out of whatever a shell wrote: UTF-8, or the UTF-16 of PowerShell; what is neither becomes replacement characters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def plain(text: str) -> str:
    """The text without colours, boxes and carriage returns."""
    text = _ANSI.sub("", text) if "\x1b" in text else text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "│" not in text and "┃" not in text:
        return text
    return "\n".join(
        (match[1].replace("│", " ").rstrip() if (match := _BOX.match(line)) and line.lstrip()[:1] in "│┃" else line)
        for line in text.split("\n")
    )


def read(text: str) -> tuple[Raised, ...]:
    """Every exception in a text that `plain` has gone over, in their order there."""
    return tuple(_Reader(text.split("\n")).exceptions())


@dataclass
class _Reader:
    """Goes through the lines once. column: where the exception's own line begins; None where any place will do."""

    lines: list[str]
    at: int = 0
    frames: list[Frame] = field(default_factory=list)
    column: int | None = None

    def exceptions(self) -> Iterator[Raised]:
        pending: Raised | None = None
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if pending is not None and (link := _link(line)):
                pending = replace(pending, link=link)
            if _HEAD in line:
                self.frames, self.column = [], None
            elif not self._frame(line) and (found := self._raised(line)):
                if pending is not None:
                    yield pending
                pending = found
                continue
            self.at += 1
        if pending is not None:
            yield pending
        if self.frames:
            yield Raised("", "", tuple(self.frames))

    def _frame(self, line: str) -> bool:
        """Read a frame, its line of code and marks; False if the line is no frame."""
        if match := _PYTHON.search(line):
            column = match.start()
            self.column = column - 2 if column >= 2 else None
            code, part = self._code(column, bool(line[:column].strip()))
            self._add(match, code, part)
            return True
        if match := _IPYTHON.match(line) or _RICH.match(line.strip()):
            self.column = None
            self._add(match, self._arrow(), "")
            return True
        if match := _CELL.match(line.strip()):
            self.column = None
            number = match["line"]
            self.frames.append(Frame(match["cell"] or match["old"], int(number) if number else None, "", self._arrow()))
            return True
        return False

    def _add(self, match: re.Match[str], code: str, part: str) -> None:
        path, name = match["path"].replace("\\", "/"), (match["name"] or "").strip()
        self.frames.append(Frame(path, int(match["line"]), name, code, part))

    def _code(self, column: int, prefixed: bool) -> tuple[str, str]:
        """The line under a frame of Python's, and the part of it that is marked. Moves on to the last line read."""
        after = self.lines[self.at + 1 : self.at + 3]
        cut = [line[column:] if prefixed else line for line in after]
        if not cut or not cut[0].strip() or _PYTHON.search(cut[0]) or _NAMED.search(cut[0]):
            return "", ""
        if column and not cut[0][:1].isspace():
            return "", ""
        self.at += 1
        code = cut[0].strip()
        if len(cut) < 2 or not _MARKS.match(cut[1]):
            return code, ""
        self.at += 1
        pad = len(cut[0]) - len(cut[0].lstrip())
        marks = cut[1]
        start, end = len(marks) - len(marks.lstrip()), len(marks.rstrip())
        return code, cut[0][max(start, pad) : end].strip()

    def _arrow(self) -> str:
        """The line with an arrow under a frame of IPython's or rich's."""
        for line in self.lines[self.at + 1 : self.at + 12]:
            if match := _ARROW.match(line.strip()):
                return (match["code"] or match["rich"] or "").strip()
            if _IPYTHON.match(line) or _RICH.match(line.strip()):
                break
        return ""

    def _raised(self, line: str) -> Raised | None:
        """The exception that the line names: at its column below frames, or by a class that is called Error, anywhere."""
        column = self.column if self.frames else None
        match = _AT_COLUMN.match(line[column:]) if column is not None else None
        offset = column or 0 if match else 0
        match = match or _NAMED.search(line)
        if match is None:
            return None
        prefix = line[: offset + match.start("kind")]
        texts = [match["text"] or ""]
        self.at += 1
        while self.at < len(self.lines) and len(texts) < _LONGEST:
            rest = _without(self.lines[self.at], prefix)
            if not rest.strip() or _HEAD in rest or _link(rest) or any(end.search(rest) for end in (_RULE, _PYTHON, _NAMED)):
                break
            texts.append(rest.rstrip())
            self.at += 1
        raised = Raised(match["kind"], "\n".join(texts).strip(), tuple(self.frames))
        self.frames, self.column = [], None
        return raised


def _link(line: str) -> Link:
    return next((link for words, link in _LINKS if words in line), "")


def _without(line: str, prefix: str) -> str:
    """A line without the prefix that the line before it had, a time or a rank; digits in it may differ."""
    same = bool(prefix.strip()) and _DIGITS.sub("0", line[: len(prefix)].ljust(len(prefix))) == _DIGITS.sub("0", prefix)
    return line[len(prefix) :] if same else line
