"""No test can hang: whatever it starts beside itself, and then waits for, has a limit of time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG

TESTS = Path(__file__).resolve().parent
WAITS = {"run": "subprocess", "check_call": "subprocess", "check_output": "subprocess", "call": "subprocess"}
"""Functions that wait for a process, and whose they are."""
FILES = [path for path in sorted(TESTS.rglob("*.py")) if not {"benchmarks", "cases"} & {*path.parts}]
METHODS = ("communicate", "wait", "join")
"""Methods that wait for a process or a thread, if they have no other arguments."""


def endless(code: str) -> Iterator[int]:
    """The lines that wait without a limit."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name), keywords=given) if WAITS.get(name) == owner:
                limited = any(it.arg == "timeout" for it in given)
            case ast.Call(func=ast.Attribute(attr=name), args=args, keywords=given) if name in METHODS:
                limited = bool(args) or any(it.arg == "timeout" for it in given)
            case _:
                continue
        if not limited:
            yield node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_a_test_waits_for_nothing_without_a_limit(path: Path) -> None:
    assert list(endless(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    ["subprocess.run(words)", "subprocess.run(words, check=True)", "process.wait()", "thread.join()", "process.communicate()"],
)
def test_waiting_without_a_limit_is_seen(line: str) -> None:
    assert list(endless(line)) == [1]


@pytest.mark.parametrize(
    "line", ["subprocess.run(words, timeout=9)", "', '.join(names)", "thread.join(9)", "process.wait(timeout=1)"]
)
def test_a_limit_is_enough(line: str) -> None:
    assert list(endless(line)) == []


def test_every_file_that_is_known_to_take_long_is_there() -> None:
    assert [name for name in LONG if not (TESTS / name).is_file()] == []
    assert len(set(LONG)) == len(LONG)
