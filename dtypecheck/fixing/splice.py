"""Change one value of a JSON file, or some characters of a text, and leave every other byte as it is."""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from ..edits import Splice
from .refusal import Refusal

_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class _Member(NamedTuple):
    """One key of an object, or one element of an array: where its value begins and ends."""

    key: str
    begin: int
    end: int


def set_key(path: str, data: bytes, pointer: str, value: str) -> bytes:
    """The JSON file with `value` (JSON text) at `pointer` (RFC 6901); a missing last key is added to its object.

    Of a key that is repeated the last one is set, the one that parsers take. errors: Refusal where the file is no JSON, or has
    no place for the pointer.
    """
    bom = _BOM if data.startswith(_BOM) else b""
    try:
        text = data[len(bom) :].decode()
        json.loads(text)
    except ValueError as fault:
        raise Refusal(f"{path}: it cannot be read as JSON: {fault}") from None
    except RecursionError:
        raise Refusal(f"{path}: it is nested too deep") from None
    begin, end = _span(text)
    keys = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for number, key in enumerate(keys):
        found = [member for member in _members(text, begin) if member.key == key]
        if found:
            begin, end = found[-1].begin, found[-1].end
        elif number == len(keys) - 1 and text[begin] == "{":
            return bom + _added(text, begin, key, value).encode()
        else:
            raise Refusal(f"{path}: there is nothing at {'/' + '/'.join(keys[: number + 1])}")
    return bom + (text[:begin] + value + text[end:]).encode()


def splice(edit: Splice, data: bytes) -> bytes:
    """The text file after the edit. errors: Refusal where it is no UTF-8 text, or another text stands in that place."""
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        raise Refusal(f"{edit.path}: no UTF-8 text at byte {fault.start}") from None
    if not 0 <= edit.start <= edit.end <= len(text) or text[edit.start : edit.end] != edit.old:
        raise Refusal(f"{edit.path}: the text at character {edit.start} is not the one that the plan was made for")
    return (text[: edit.start] + edit.new + text[edit.end :]).encode()


def texts_at(path: str, text: str, pointer: str) -> list[tuple[int, int]]:
    """Begin and end of the JSON text at `pointer`, or of every element of the array there. errors: Refusal for nothing there."""
    begin, end = _span(text)
    for key in pointer.split("/")[1:]:
        found = [member for member in _members(text, begin) if member.key == key.replace("~1", "/").replace("~0", "~")]
        if not found:
            raise Refusal(f"{path}: there is nothing at {pointer}")
        begin, end = found[-1].begin, found[-1].end
    return [(member.begin, member.end) for member in _members(text, begin)] if text[begin] == "[" else [(begin, end)]


def _span(text: str, at: int = 0) -> tuple[int, int]:
    """Begin and end of the JSON value at or behind `at`; the text is known to be JSON."""
    begin = _skip(text, at)
    if text[begin] in "{[":
        members = _members(text, begin)
        return begin, _skip(text, members[-1].end if members else begin + 1) + 1
    if text[begin] == '"':
        return begin, _end_of_text(text, begin)
    end = begin
    while end < len(text) and text[end] not in ",]} \t\r\n":
        end += 1
    return begin, end


def _members(text: str, begin: int) -> list[_Member]:
    """The members of the object or array that begins there; none for any other value."""
    found: list[_Member] = []
    if text[begin] not in "{[":
        return found
    named = text[begin] == "{"
    at = _skip(text, begin + 1)
    while text[at] not in "}]":
        if text[at] == ",":
            at = _skip(text, at + 1)
        key = str(len(found))
        if named:
            end = _end_of_text(text, at)
            key = json.loads(text[at:end], strict=False)
            at = _skip(text, end) + 1
        member = _Member(key, *_span(text, at))
        found.append(member)
        at = _skip(text, member.end)
    return found


def _end_of_text(text: str, at: int) -> int:
    match = _TEXT.match(text, at)
    return match.end() if match else len(text)


def _skip(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _added(text: str, begin: int, key: str, value: str) -> str:
    """The text with one more key at the end of the object, set off from the one before as that is from its own neighbour."""
    members = _members(text, begin)
    word = json.dumps(key, ensure_ascii=False)
    if not members:
        return text[: begin + 1] + f"{word}: {value}" + text[begin + 1 :]
    opening = _BLANKS.match(text, begin + 1)
    gap = opening.group() if opening else ""
    colon = ": " if text[members[-1].begin - 1].isspace() else ":"
    between = gap if "\n" in gap or not gap else " "
    if not gap and colon == ": ":
        between = " "
    last = members[-1].end
    return text[:last] + "," + between + word + colon + value + text[last:]
