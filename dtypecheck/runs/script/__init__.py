"""The rehearsal of a user's own script: it runs as it is, on phantom components and a device that is not there.

It executes the script. Savers and `open` for writing are caught, but this is no sandbox.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...knowledge import Knowledge
from ...subjects.shown import Crash, Event, Operand, Run
from .. import call
from ..pretend import autocast_here, numbered, replaceable
from ..words import first_line
from .changes import on_import
from .machine import imagined
from .patches import wanted
from .places import MissingModel
from .play import End, play
from .savers import torch_save
from .session import Libraries, Session, begin
from .threads import follow
from .trace import Script

__all__ = ["rehearse_script"]


def rehearse_script(
    path: Path,
    arguments: Sequence[str],
    known: Knowledge,
    device: str,
    models: Mapping[str, Path] | None = None,
    libraries: Libraries = (),
) -> Run:
    """Run a script to its end, and say what it showed.

    path: as it was typed. arguments: its own. device: a name of rules/devices.toml. models: folders by the hub ids that the
    script names; their configs are enough. libraries: as in a Request. Its output goes where it sends it; a traceback of its
    own goes to stderr. errors: OSError when the file cannot be read; KeyboardInterrupt passes through.
    """
    script = Script(path.absolute(), path.as_posix())
    script.path.read_bytes()
    folders = {name: folder.absolute() for name, folder in (models or {}).items()}
    session = begin(script, known, device, folders, libraries)
    judged: list[call.Outcomes] = []
    with _staged(session):
        end = play(script, arguments, lambda fault: judged.append(_judged(session, fault)), lambda: session.thread_fault)
        outcome = judged[0] if judged else _ended(session, end)
    return _run(session, outcome)


@contextlib.contextmanager
def _staged(session: Session) -> Iterator[None]:
    """The world in which a script runs."""
    kind = session.world.contracts.device
    capability = int(session.known.row("devices", session.device).get("sm", 90))
    with contextlib.ExitStack() as stack:
        changes = stack.enter_context(session.changes)
        for context in (
            _restored(),
            _offline(),
            _hushed(),
            replaceable(),
            numbered(),
            autocast_here(kind),
            imagined(session, capability),
        ):
            stack.enter_context(context)
        changes.wrap(torch.nn.Module, "_apply", _watched(session))
        torch_save(session, changes)
        stack.enter_context(on_import(wanted(session)))
        session.writes.catch(changes)
        follow(session)
        stack.enter_context(session.world)
        stack.enter_context(session.heard.listening())
        yield


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """What a script sets for its whole process ends with it."""
    here, dtype, grad, environment = Path.cwd(), torch.get_default_dtype(), torch.is_grad_enabled(), dict(os.environ)
    try:
        yield
    finally:
        os.chdir(here)
        torch.set_default_dtype(dtype)
        torch.set_default_device(None)
        torch.set_grad_enabled(grad)
        os.environ.clear()
        os.environ.update(environment)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Nothing is fetched from the hub, and nobody is told that it was asked."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    hub = sys.modules.get("huggingface_hub.constants")
    was = vars(hub)["HF_HUB_OFFLINE"] if hub else None
    if hub:
        vars(hub)["HF_HUB_OFFLINE"] = True
    try:
        yield
    finally:
        if hub:
            vars(hub)["HF_HUB_OFFLINE"] = was
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """torch's own log of operators without numbers is none of the script's output."""
    loggers = [logging.getLogger(name) for name in ("torch._subclasses", "torch.fx", "torch._dynamo")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _watched(session: Session) -> Any:
    """`.to()`, `.half()` and their like of a component: the line that casts it, and a new look at what it is made of."""

    def make(real: Any) -> Any:
        def apply(module: torch.nn.Module, fn: Any, recurse: bool = True) -> torch.nn.Module:
            part = session.parts.get(id(module))
            if part is None:
                return real(module, fn, recurse)
            before = [tensor.dtype for tensor in module.parameters()]
            real(module, fn, recurse)
            if before != [tensor.dtype for tensor in module.parameters()]:
                part.cast = session.script.line()
            part.looked = False
            return module

        return apply

    return make


def _ended(session: Session, end: End) -> call.Outcomes:
    """What an end without a traceback means; a crash that the script caught itself is one all the same."""
    hidden = session.heard.fault
    if isinstance(hidden, Exception) and session.script.swallowed(hidden):
        found = _judged(session, hidden)
        if found.verdict == "crashes" or session.world.undecided:
            return found
    if end.fault is None:
        return call.Outcomes("runs")
    return call.Outcomes("unknown", reason=f"the script ended with exit code {end.code} ({session.script.of(end.fault)})")


def _judged(session: Session, fault: Exception) -> call.Outcomes:
    line = session.script.of(fault)
    missing = _missing(fault)
    if missing is not None:
        reason = (
            f"{line}: the model {missing.name} is not on this machine; pass --model {missing.name}=DIR (its configs are enough)"
        )
        return call.Outcomes("unknown", reason=reason)
    roles = {part.name: part.role for part in session.parts.values()}
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
        where = operand.where or (part.cast or (part.line if part.loaded else "") if part else "")
        return replace(operand, made=shown(operand.made), where=shown(where))

    return replace(crash, operands=tuple(map(told, crash.operands)), glue=shown(crash.glue), script=line)


def _run(session: Session, outcome: call.Outcomes) -> Run:
    shown = session.script.shown
    events = (*(session.world.events.seen() if session.world.events else ()), *session.heard.seen())
    return Run(
        how="rehearsed",
        verdict=outcome.verdict,
        device=session.device,
        crash=outcome.crash,
        reason=shown(outcome.reason),
        component=outcome.where.partition(".")[0],
        events=tuple(_told(event, shown) for event in events),
        modules=session.heard.rows(),
        weight_bytes=session.weights(),
        substituted=tuple(map(shown, session.notes)),
        pipeline=session.pipeline(),
        script=session.script.given,
        written=tuple(session.writes.paths),
        module=outcome.where,
        called=session.called,
    )


def _told(event: Event, shown: Any) -> Event:
    return replace(event, by=shown(event.by))
