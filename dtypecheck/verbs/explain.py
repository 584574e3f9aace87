"""A message, a traceback or a live exception explained, as Python code asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..knowledge import Knowledge, folders
from ..messages.explain import Explanation, explain_raised
from ..messages.explain import explain as explain_text
from ..messages.rows import Row, rows
from ..read.raised import chain, of
from ..render.explained import text
from ..subjects.shown import Operand


def explain(fault: BaseException | str, *, rules_dirs: Iterable[Path] = ()) -> Explanation:
    """Say what an exception, or the text of a message, a traceback or a log, means: `print(dtypecheck.explain(error))`.

    Of a live exception the module's path, its parameters' dtypes and those of its inputs are read from the traceback's frames:
    call it where it is caught, before its traceback is gone.

    errors: none of its own; what is not known has `row` None, and a text that says so.
    """
    known = all_rows(tuple(rules_dirs))
    found = explain_text(fault, known) if isinstance(fault, str) else _live(fault, known)
    return replace(found, text=text(found))


@lru_cache(maxsize=4)
def all_rows(rules_dirs: tuple[Path, ...] = ()) -> tuple[Row, ...]:
    """The rows that ship with the package and those of further folders."""
    return rows(Knowledge(folders(rules_dirs)))


def _live(fault: BaseException, known: tuple[Row, ...]) -> Explanation:
    """What the texts of an exception and of all it came from say, and what their frames still hold."""
    links = chain(fault)
    raised = tuple(replace(of(one), link=link) for one, link in links)
    found = explain_raised(raised, known)
    if "torch" not in sys.modules:
        return found
    from ..runs.watch.frames import operands

    at = next((one for (one, _), record in zip(links, raised, strict=True) if record is found.raised), fault)
    path, klass, met = operands(at)
    return replace(found, module=path if klass else found.module, klass=klass, operands=_joined(found.operands, met))


def _joined(said: tuple[Operand, ...], met: tuple[Operand, ...]) -> tuple[Operand, ...]:
    """The dtypes that a message names with the names that the frames know; the frames' alone if they hold all of them."""
    if not said or {operand.dtype for operand in said} <= {operand.dtype for operand in met}:
        return met or said
    by_role = {operand.role: operand for operand in met}
    return tuple(by_role[o.role] if o.role in by_role and by_role[o.role].dtype is o.dtype else o for o in said)
