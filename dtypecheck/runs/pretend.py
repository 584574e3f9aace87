"""What is otherwise while a rehearsal runs: quiet libraries, modules with replaceable tensors, autocast on the CPU."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import _disable_current_modes

from . import origins
from .autocast import Widened
from .doors import door
from .world import filled

AUTOCAST: Final = {"cuda": torch.float16, "xpu": torch.float16, "mps": torch.float16, "cpu": torch.bfloat16}
"""The dtype of autocast where none is given. source: torch 2.13 torch.get_autocast_dtype"""
_LOGGERS: Final = ("torch", "diffusers", "transformers", "accelerate", "peft", "huggingface_hub")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No log lines, warnings or progress bars of the libraries; torch's own log of a failed fake operator included."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    absent = [name for name in _LOGGERS if name not in sys.modules]
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    bars = _bars(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _bars(bars)
        logging.disable(disabled)
        for name, level in levels.items():
            logger = logging.getLogger(name)
            if name not in absent or logger.level > logging.CRITICAL:  # else the library has set its own when it came
                logger.setLevel(level)


def _bars(shown: bool) -> bool:
    """Show or hide the libraries' progress bars; says what was before."""
    before = True
    for library in ("diffusers", "transformers"):
        if library in sys.modules:
            settings = importlib.import_module(f"{library}.utils.logging")
            before = bool(settings.is_progress_bar_enabled()) if hasattr(settings, "is_progress_bar_enabled") else before
            (settings.enable_progress_bar if shown else settings.disable_progress_bar)()
    return before


@contextlib.contextmanager
def replaced(place: object, name: str, value: object) -> Iterator[None]:
    """One attribute is another meanwhile; who takes a copy of a function of ours has a way to the one before."""
    before = getattr(place, name)
    way = door(value, before)
    setattr(place, name, way.call if way else value)
    try:
        yield
    finally:
        setattr(place, name, before)
        if way:
            way.close()


@contextlib.contextmanager
def replaceable() -> Iterator[None]:
    """`.to()`, `.half()` and `.float()` of a module put new parameters in place of the old ones, as fake ones need it."""

    def apply(module: torch.nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> torch.nn.Module:
        if recurse:
            for child in module.children():
                child._apply(fn)
        for key, parameter in module._parameters.items():
            if parameter is not None and (new := fn(parameter.detach())).dtype is not parameter.dtype:
                module._parameters[key] = _like(parameter, new)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[key] = fn(buffer)
        return module

    with replaced(torch.nn.Module, "_apply", apply):
        yield


def _like(parameter: torch.Tensor, new: torch.Tensor) -> torch.nn.Parameter:
    made = torch.nn.Parameter(new, requires_grad=False)
    if found := origins.of(parameter):
        origins.mark(made, found)
    return made


@contextlib.contextmanager
def numbered() -> Iterator[None]:
    """A tensor without numbers gives zeros to numpy and to lists."""
    numpy, tolist = torch.Tensor.numpy, torch.Tensor.tolist

    def to_numpy(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return numpy(_real(tensor), *args, **kwargs)

    def to_list(tensor: torch.Tensor) -> Any:
        return tolist(_real(tensor))

    with replaced(torch.Tensor, "numpy", to_numpy), replaced(torch.Tensor, "tolist", to_list):
        yield


def _real(tensor: torch.Tensor) -> torch.Tensor:
    """Zeros for a tensor without numbers, made outside of any world: inside of one, large ones would hold none either."""
    if not isinstance(tensor, FakeTensor):
        return tensor
    with _disable_current_modes():
        made: torch.Tensor = filled(tensor)
        return made


@contextlib.contextmanager
def autocast_here(device: str) -> Iterator[None]:
    """Autocast for another device acts on the CPU's tensors, which stand for that device's, by that device's own list."""
    made: Callable[..., None] = torch.amp.autocast_mode.autocast.__init__
    entered: Callable[..., Any] = torch.amp.autocast_mode.autocast.__enter__
    left: Callable[..., Any] = torch.amp.autocast_mode.autocast.__exit__
    widened: list[Widened] = []

    def begin(self: Any, device_type: str, dtype: torch.dtype | None = None, **kwargs: Any) -> None:
        kind = str(device_type).partition(":")[0]
        if kind == "cpu" and device != "cpu":
            made(self, "cpu", dtype=dtype, **{**kwargs, "enabled": False})
            return
        made(self, "cpu", dtype=dtype or AUTOCAST.get(kind, torch.bfloat16), **kwargs)

    def enter(self: Any) -> Any:
        found = entered(self)
        widened.append(Widened())
        widened[-1].__enter__()
        return found

    def leave(self: Any, *fault: Any) -> Any:
        widened.pop().__exit__(*fault)
        return left(self, *fault)

    changes: dict[str, object] = {"__init__": begin}
    if device != "cpu":
        changes |= {"__enter__": enter, "__exit__": leave}
    with contextlib.ExitStack() as stack:
        for name, value in changes.items():
            stack.enter_context(replaced(torch.amp.autocast_mode.autocast, name, value))
        yield


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Nothing is compiled: what torch.compile wraps runs as it is written."""
    with torch.compiler.set_stance("force_eager"):
        yield


@contextlib.contextmanager
def unweighted() -> Iterator[None]:
    """Modules are built without filling their weights."""
    names = [name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")]

    def nothing(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return tensor

    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(replaced(torch.nn.init, name, nothing))
        yield
