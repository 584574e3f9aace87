"""A call made again: nothing of it is recorded, each call of a module in it is shown to us, and nothing of it stays."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import StringIO
from typing import Any

import torch

from ..steps import Thread

Inner = Callable[..., Any]
Look = Callable[[Inner, torch.nn.Module, tuple[Any, ...], dict[str, Any]], Any]
"""Runs a module, `inner(module, *args, **kwargs)`, and gives what it gave."""


@contextlib.contextmanager
def away(thread: Thread) -> Iterator[None]:
    """The watch looks away in this thread."""
    before, thread.off = thread.off, True
    try:
        yield
    finally:
        thread.off = before


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What modules print and warn of, they have printed and warned of."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(StringIO()), contextlib.redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def looking(look: Look) -> Iterator[None]:
    """Every call of a module in this thread goes through `look`."""
    inner, mine = torch.nn.Module.__call__, threading.get_ident()

    def shown(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or threading.get_ident() != mine:  # in this order: a compiler sees the first alone
            return inner(module, *args, **kwargs)
        return look(inner, module, args, kwargs)

    torch.nn.Module.__call__ = shown
    try:
        yield
    finally:
        torch.nn.Module.__call__ = inner


@contextlib.contextmanager
def unchanged(module: torch.nn.Module) -> Iterator[None]:
    """What a call sets in a module is undone: running statistics, counters, caches that are attributes."""
    holders: list[Any] = [part.__dict__ for part in module.modules()]
    holders += [value for found in holders for value in found.values() if type(value) in (list, dict)]
    before = [(holder, holder.copy()) for holder in holders]
    try:
        for part in module.modules():
            for name, tensor in part._buffers.items():
                if tensor is not None and not tensor.is_meta:
                    part._buffers[name] = tensor.detach().clone()
        yield
    finally:
        for holder, kept in before:
            if isinstance(holder, list):
                holder[:] = kept
            elif len(holder) != len(kept) or any(holder.get(name) is not value for name, value in kept.items()):
                holder.clear()
                holder.update(kept)


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether torch.compile has had its hands on a module, or on one in it."""
    return any(hasattr(part, "_orig_mod") or part.__dict__.get("_compiled_call_impl") is not None for part in module.modules())


def eager(module: torch.nn.Module) -> AbstractContextManager[Any]:
    """It runs as it was written."""
    known = is_compiled(module) and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if known else contextlib.nullcontext()


def uncast(device: torch.device) -> AbstractContextManager[Any]:
    """No autocast."""
    return torch.autocast(device.type, enabled=False) if is_autocast(device) else contextlib.nullcontext()


def is_autocast(device: torch.device) -> bool:
    """Whether autocast is on for a device; some know of none."""
    try:
        return bool(torch.is_autocast_enabled(device.type))
    except (RuntimeError, TypeError):
        return False
