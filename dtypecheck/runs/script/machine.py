"""The machine that a script believes it runs on: its GPU by all the functions that ask for one, with the CPU behind it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import torch
from torch.utils import _device as contexts

from ..device import CPU, Generator, Moment, here, stands_for
from .changes import Changes
from .session import Session

MEMORY: Final = 80 << 30
"""Bytes of the GPU that is not there; nothing is ever used of it."""
_ZEROS: Final = (
    "memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved", "memory_cached", "max_memory_cached",
    "current_allocated_memory", "driver_allocated_memory", "initial_seed", "utilization",
)  # fmt: skip
_NOTHINGS: Final = (
    "set_device", "init", "manual_seed", "manual_seed_all", "seed", "seed_all", "reset_peak_memory_stats",
    "reset_max_memory_allocated", "reset_accumulated_memory_stats", "set_per_process_memory_fraction", "empty_cache",
    "synchronize", "set_stream", "ipc_collect",
)  # fmt: skip


class Stream(Moment):
    """A stream that is not there; work on it is done at once. As a context, and as the context of a device, it does nothing."""

    wait_event = wait_stream = record_event = Moment.record

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None: ...


class Timed(Moment):
    """An event with a clock that stands."""

    def elapsed_time(self, _other: object) -> float:
        """Milliseconds."""
        return 0.0


def imagine(session: Session, capability: int) -> None:
    """From now on the script's device is there (device.pretended must be on), and what only makes a run faster does nothing."""
    changes = session.changes
    changes.change(torch, "compile", _compiled)
    changes.change(torch.nn.Module, "compile", lambda *_, **__: None)
    said = stands_for(session.world.contracts.device)
    if said.type != "cpu":
        _answer(changes, said, session.device, capability)


def _compiled(model: Any = None, **_: object) -> Any:
    return model if model is not None else lambda function: function


def _answer(changes: Changes, said: torch.device, name: str, capability: int) -> None:
    for module in (torch.cuda, torch.mps, torch.xpu):
        for word in _ZEROS:
            _if_there(changes, module, word, lambda *_, **__: 0)
        for word in _NOTHINGS:
            _if_there(changes, module, word, lambda *_, **__: None)
    major, minor = divmod(capability, 10)
    properties = SimpleNamespace(name=name, total_memory=MEMORY, major=major, minor=minor, multi_processor_count=100)
    questions: dict[str, object] = {
        "get_device_name": lambda *_: name,
        "get_device_properties": lambda *_: properties,
        "mem_get_info": lambda *_: (MEMORY, MEMORY),
        "memory_stats": lambda *_: {},
        "memory_summary": lambda *_, **__: "",
        "is_initialized": lambda: True,
        "current_stream": lambda *_: Stream(),
        "default_stream": lambda *_: Stream(),
        "stream": lambda *_: Stream(),
        "device": Stream,
        "Stream": Stream,
        "Event": Timed,
    }
    for module in (torch.cuda, torch.xpu):
        for word, value in questions.items():
            _if_there(changes, module, word, value)
    for module, kind in ((torch.xpu, "xpu"), (torch.mps, "mps")):
        there = said.type == kind
        _if_there(changes, module, "is_available", partial(bool, there))
        _if_there(changes, module, "device_count", partial(int, there))
    accelerator: dict[str, object] = {
        "is_available": lambda: True,
        "current_accelerator": lambda *_, **__: torch.device(said.type),
        "device_count": lambda: 1,
        "current_device_index": lambda: 0,
        "synchronize": lambda *_: None,
        "empty_cache": lambda: None,
    }
    for word, value in accelerator.items():
        _if_there(changes, getattr(torch, "accelerator", None), word, value)
    changes.change(torch, "Generator", Generator)
    changes.wrap(contexts.DeviceContext, "__init__", _on_cpu)
    changes.wrap(torch, "load", _loaded_here)
    _autocast(changes)


def _if_there(changes: Changes, place: Any, name: str, value: object) -> None:
    if hasattr(place, name):
        changes.change(place, name, value)


def _on_cpu(init: Callable[..., None]) -> Callable[..., None]:
    """`with torch.device("cuda")` and set_default_device: what is made in it is made on the CPU."""

    def begin(context: Any, device: Any) -> None:
        wanted = torch.device(device)
        init(context, wanted if wanted.type == "meta" else here(wanted))

    return begin


def _loaded_here(load: Callable[..., Any]) -> Callable[..., Any]:
    def loaded(file: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        return load(file, CPU, *args, **kwargs)

    return loaded


def _autocast(changes: Changes) -> None:
    """Autocast of the device is the CPU's (pretend.autocast_here): who asks for the one is told of the other."""
    enabled, dtype = torch.is_autocast_enabled, torch.get_autocast_dtype
    changes.change(torch, "is_autocast_enabled", lambda *_: enabled("cpu"))
    changes.change(torch, "get_autocast_dtype", lambda *_: dtype("cpu"))
    changes.change(torch, "get_autocast_gpu_dtype", lambda: dtype("cpu"))
