"""The world in which a script runs: offline, on a device that is not there, with phantoms in place of weights."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ..device import pretended
from ..lent import Lent
from ..pretend import autocast_here, numbered, replaceable
from .changes import on_import
from .machine import imagine
from .patches import wanted
from .savers import torch_save
from .session import Session
from .threads import follow


@contextlib.contextmanager
def staged(session: Session) -> Iterator[None]:
    """The world in which a script runs."""
    kind = session.world.contracts.device
    capability = int(session.known.row("devices", session.device).get("sm", 90))
    with contextlib.ExitStack() as stack:
        for context in (_restored(), _offline(), _hushed(), replaceable(), numbered(), autocast_here(kind)):
            stack.enter_context(context)
        stack.enter_context(pretended(kind, session.world, capability))
        stack.enter_context(Lent(session.world))
        changes = stack.enter_context(session.changes)  # undone before what it was laid over
        imagine(session, capability)
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
