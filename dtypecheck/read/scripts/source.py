"""From the bytes of a Python file or notebook to its syntax trees, cell by cell, and what could not be read of it."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ...files import Entry, Files
from ...findings import Where
from ...subjects import Problem
from ..header import UNREADABLE

BROKEN_SCRIPT: Final = "broken-script"
SUFFIXES: Final = (".py", ".ipynb")
LARGEST: Final = 1 << 23
"""Bytes of a script that is read: nobody writes more by hand, and its tree would take gigabytes."""
_NAMES: Final = (b"torch", b"diffusers", b"transformers", b"accelerate")
_WORDS: Final = (
    *("from_pretrained", "from_single_file", "from_pipe", "float16", "fp16", "bf16", ".half", "autocast", "GradScaler"),
    *("Accelerator", "upcast", "quantis", "quantiz", "Quantis", "Quantiz"),
)
_WORDS_BYTES: Final = tuple(word.encode() for word in _WORDS)
_MAGIC: Final = re.compile(r"^([ \t]*)(?:[!%?].*|[\w.]+\?{1,2}\s*|(?:pip3?|conda|mamba|uv pip)[ \t]+(?:un)?install\b.*)$")
_SHELL: Final = re.compile(r"^([ \t]*[\w, ]+=[ \t]*)[!%].*$")
_OTHER_LANGUAGE: Final = re.compile(r"\s*%%(?!time\b|timeit\b|capture\b|prun\b|memit\b|python3?\b|pypy\b)")


@dataclass(slots=True)
class Source:
    """A script that could be read. texts: as written, by cell; trees: in their order, the cell's number with each."""

    path: str
    texts: dict[int, str] = field(default_factory=dict)
    trees: list[tuple[int, ast.Module]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_source(files: Files, entry: Entry) -> Source | None:
    """The trees of one file; None where it has nothing to do with what we know. Never raises for what it holds."""
    source = Source(entry.name)
    if entry.size < 0:
        source.problems.append(Problem(UNREADABLE, Where(entry.name), entry.identity.partition(":")[2]))
        return source
    if entry.size > LARGEST:
        source.problems.append(
            Problem(BROKEN_SCRIPT, Where(entry.name), f"it has more than {LARGEST >> 20} MiB and was not read")
        )
        return source
    try:
        content = files.read(entry.name)
    except OSError as fault:
        source.problems.append(Problem(UNREADABLE, Where(entry.name), fault.strerror or str(fault)))
        return source
    if not (any(name in content for name in _NAMES) and any(word in content for word in _WORDS_BYTES)):
        return None
    if entry.name.endswith(".ipynb"):
        _notebook(source, content)
    else:
        text = _decoded(source, content)
        if text is not None:
            _parse(source, 0, text, text)
    return source


def says(text: str) -> bool:
    """Whether a rule may have something to say about a text: it loads a model, or names a half dtype or a thing about one.

    Word by word: that is several times as fast as one expression of all of them.
    """
    return any(word in text for word in _WORDS)


def _decoded(source: Source, content: bytes) -> str | None:
    """The text in the encoding that Python would take; None, and a problem noted, where it cannot be decoded."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as fault:
        said = fault.msg if isinstance(fault, SyntaxError) else str(fault)
        source.problems.append(Problem(BROKEN_SCRIPT, Where(source.path), f"it is no text in its encoding: {said}"))
        return None


def _notebook(source: Source, content: bytes) -> None:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as fault:
        source.problems.append(Problem(BROKEN_SCRIPT, Where(source.path), f"the notebook is no JSON: {fault}"))
        return
    for number, text in _cells(data):
        if not _OTHER_LANGUAGE.match(text):
            _parse(source, number, text, without_magics(text))


def _cells(data: Any) -> Iterator[tuple[int, str]]:
    """The code cells, counted from 1 among all cells."""
    sheets = data.get("worksheets") if isinstance(data, dict) else None
    holder = sheets[0] if isinstance(sheets, list) and sheets else data
    cells = holder.get("cells") if isinstance(holder, dict) else None
    for number, cell in enumerate(cells if isinstance(cells, list) else (), 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            lines = cell.get("source", cell.get("input", ""))
            text = "".join(map(str, lines)) if isinstance(lines, list) else lines
            if isinstance(text, str):
                yield number, text


def without_magics(text: str) -> str:
    """A cell as Python: what only a notebook understands does nothing, and every line keeps its number."""
    made: list[str] = []
    continued = False
    for line in text.split("\n"):
        match = None if continued else _MAGIC.match(line)
        if continued or match:
            made.append(match[1] + "pass" if match else "")
            continued = line.rstrip().endswith("\\")
        elif shell := _SHELL.match(line):
            made.append(shell[1] + "None")
        else:
            made.append(line)
    return "\n".join(made)


def _parse(source: Source, cell: int, text: str, python: str) -> None:
    """One text: its tree, or the problem that keeps it from having one."""
    at = f"cell {cell}" if cell else ""
    source.texts[cell] = text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree: ast.Module = compile(
                python, source.path, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
            )
    except SyntaxError as fault:
        line = fault.lineno if fault.lineno and fault.lineno > 0 else None
        where = Where(source.path, at, line)
        source.problems.append(Problem(BROKEN_SCRIPT, where, f"Python {_python()} cannot parse it: {fault.msg}"))
    except (ValueError, RecursionError, MemoryError) as fault:
        said = str(fault) or "it is nested too deeply"
        source.problems.append(Problem(BROKEN_SCRIPT, Where(source.path, at), f"Python {_python()} cannot parse it: {said}"))
    else:
        source.trees.append((cell, tree))


def _python() -> str:
    import sys

    return f"{sys.version_info.major}.{sys.version_info.minor}"
