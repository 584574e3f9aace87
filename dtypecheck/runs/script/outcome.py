"""What the end of a script means: it ran, it crashed here about dtypes, or nobody can say, and why."""

from __future__ import annotations

from dataclasses import replace

from ...subjects.shown import Crash, Operand
from .. import call
from ..words import first_line
from .places import MissingModel
from .play import End
from .session import Session


def ended(session: Session, end: End) -> call.Outcomes:
    """What an end without a traceback means; a crash that the script caught itself is one all the same."""
    hidden = session.heard.fault
    if isinstance(hidden, Exception) and session.script.swallowed(hidden):
        found = judged(session, hidden)
        if found.verdict == "crashes" or session.world.undecided:
            return found
    if end.fault is None:
        return call.Outcomes("runs")
    return call.Outcomes("unknown", reason=f"the script ended with exit code {end.code} ({session.script.of(end.fault)})")


def judged(session: Session, fault: Exception) -> call.Outcomes:
    line = session.script.of(fault)
    missing = _missing(fault)
    if missing is not None:
        reason = (
            f"{line}: the model {missing.name} is not on this machine; pass --model {missing.name}=DIR (its configs are enough)"
        )
        return call.Outcomes("unknown", reason=reason)
    roles = {part.name: part.role for part in session.parts.values()}
    session.world.dtypes = session.heard.mains
    found = call.stopped(fault, roles, session.world)
    if found.crash is not None:
        return replace(found, crash=_crash(session, found.crash, line))
    if session.world.undecided:
        return replace(found, reason=f"{found.reason} ({line})")
    return replace(found, reason=f"{first_line(fault)} ({line})")


def _missing(fault: BaseException | None) -> MissingModel | None:
    """The missing model that an exception is about or came from."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        if isinstance(fault, MissingModel):
            return fault
        seen.add(id(fault))
        fault = fault.__cause__ or fault.__context__
    return None


def _crash(session: Session, crash: Crash, line: str) -> Crash:
    """The crash in the user's words: paths as typed, and where a component came from that the script loaded by itself."""
    shown = session.script.shown

    def told(operand: Operand) -> Operand:
        part = session.heard.parts.get(operand.component)
        where = (part.cast or (part.line if part.loaded else "") if part else "") or operand.where
        return replace(operand, made=shown(operand.made), where=shown(where))

    return replace(crash, operands=tuple(map(told, crash.operands)), glue=shown(crash.glue), script=line)
