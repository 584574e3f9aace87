"""The world in which a script runs: offline, on a device that is not there, with phantoms in place of weights."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch

from ..device import pretended, stands_for
from ..lent import Lent
from ..pretend import autocast_here, numbered, replaceable
from ..remembered import ask_again
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
        changes.elsewhere()
        if stands_for(kind).type != "cpu":
            ask_again()
        session.writes.catch(changes)
        follow(session)
        stack.enter_context(session.world)
        stack.enter_context(session.heard.listening())
        yield


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    """What a script sets for its whole process ends with it."""
    here, dtype, grad, environment = Path.cwd(), torch.get_default_dtype(), torch.is_grad_enabled(), dict(os.environ)
    device, streams = _default_device(), (sys.stdin, sys.stdout, sys.stderr)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        os.chdir(here)
        torch.set_default_dtype(dtype)
        if _default_device() != device:
            torch.set_default_device(device)
        torch.set_grad_enabled(grad)
        os.environ.clear()
        os.environ.update(environment)


def _default_device() -> torch.device | None:
    """What torch.set_default_device was called with, None if it was not."""
    return getattr(getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None), "device", None)


_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
"""Variables of the environment, and what modules call the answers that they keep of them."""


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Nothing is fetched from the hub, and nobody is told that it was asked; a library imported meanwhile keeps nothing of it."""
    with contextlib.suppress(ImportError):
        importlib.import_module("huggingface_hub.constants")  # it asks the environment once
    hub = sys.modules.get("huggingface_hub.constants")
    usual = {name: value for name in _OFFLINE if isinstance(value := vars(hub).get(name), bool)} if hub else {}
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(dict.fromkeys(_OFFLINE, "1"))
    kept = {(place, name): value for place, name, value in _kept(usual)}
    for place, name in kept:
        vars(sys.modules[place])[name] = True
    try:
        yield
    finally:
        for place, name, _ in list(_kept(usual)):
            vars(sys.modules[place])[name] = kept.get((place, name), usual[name])
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _kept(names: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """Every module that has one of these names for a truth value, the name and the value."""
    for place, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            yield from ((place, name, value) for name in names if isinstance(value := vars(module).get(name), bool))


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
