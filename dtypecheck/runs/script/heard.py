"""What runs in a script that its author may not have meant: parts kept in float32 that were cast, VAEs inside autocast."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from ...dtypes import F32, DType
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...subjects import Component, Request
from ...subjects.shown import Event
from ..modules import Modules, dtype_of

_TABLE: Final = re.compile(r"(inv_freq|freqs\w*|rope\w*|rotary\w*)$")
_CONVOLUTIONS: Final = (torch.nn.Conv2d, torch.nn.Conv3d)


@dataclass(slots=True)
class Part:
    """A component that a script holds. line: where the script loaded it. cast: where it was last cast after that."""

    name: str
    module: torch.nn.Module
    record: Component | None = None
    line: str = ""
    cast: str = ""
    role: str = ""
    looked: bool = False
    loaded: bool = False
    """True for a part with a `from_pretrained` of its own, not one of a whole pipeline."""
    lost: dict[str, DType] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    """Its tables of positions that were loaded in float32."""


class Heard(Modules):
    """The stack of running modules, which looks at each component when it begins to run.

    fault: the first exception that came out of a component since the last pipeline call began. mains: by component, the dtype
    that most of it had when it last began to run.
    """

    def __init__(self, known: Knowledge, request: Request, halves: dict[str, DType], line: Callable[[], str]) -> None:
        super().__init__()
        self.known = known
        self.request = request
        self.halves = halves
        self.line = line
        self.parts: dict[str, Part] = {}
        self.fault: BaseException | None = None
        self.mains: dict[str, DType] = {}
        self._events: dict[tuple[str, str], Event] = {}
        self._convolutions: dict[str, torch.nn.Module] = {}

    def learn(self, part: Part) -> None:
        """Know a component by its name; one that had another name before is known by the new one only."""
        for path, module in part.module.named_modules():
            full = f"{part.name}.{path}".strip(".")
            self.paths[id(module)] = full
            if part.role == "vae" and isinstance(module, _CONVOLUTIONS):
                self._convolutions[full] = module
        self.parts[part.name] = part
        part.looked = False
        buffers = part.module.named_buffers()
        part.tables |= {path for path, buffer in buffers if _TABLE.search(path) and buffer.dtype is torch.float32}

    def enter(self, path: str) -> None:
        """A module or component method begins."""
        super().enter(path)
        part = self.parts.get(path.partition(".")[0])
        if part is None:
            return
        if not part.looked:
            part.looked = True
            self._look(part)
        if path in part.lost:
            dtype = part.lost[path]
            self._note(Event("island", path, "", (dtype,), dtype, by=part.cast or part.line))
        if path in self._convolutions and torch.is_autocast_enabled("cpu"):
            self._inside_autocast(path)

    def fail(self) -> None:
        """An exception leaves the running module; the first that does keeps its place."""
        super().fail()
        if self.fault is None:
            self.fault = sys.exc_info()[1]

    def again(self) -> None:
        """A pipeline is called: what came of earlier calls is over."""
        self.failed = None
        self.fault = None

    def seen(self) -> tuple[Event, ...]:
        """All events, in the order they came."""
        return tuple(self._events.values())

    def _look(self, part: Part) -> None:
        """What the component is made of, now that it runs: mostly half or not, and what was cast that should not have been."""
        counts: dict[DType, int] = {}
        for tensor in part.module.parameters():
            if tensor.is_floating_point():
                dtype = dtype_of(tensor)
                counts[dtype] = counts.get(dtype, 0) + tensor.numel()
        main = max(counts, key=lambda dtype: counts[dtype], default=F32)
        self.mains[part.name] = main
        self.halves.pop(part.name, None)
        if main.is_half:
            self.halves[part.name] = main
        part.lost = {}
        for path, buffer in part.module.named_buffers():
            if path in part.tables and buffer.dtype is not torch.float32:
                owner = f"{part.name}.{path}".rpartition(".")[0]
                self._note(Event("rotary", owner, path.rpartition(".")[2], (F32,), dtype_of(buffer), by=part.cast or part.line))
        names = keep_list(part.record, main, self.request, self.known) if part.record and main.is_half else ()
        if not names or part.record is None:
            return
        kept = matcher(part.record, names, self.request)
        for key, tensor in part.module.named_parameters():
            if tensor.is_floating_point() and tensor.dtype is not torch.float32 and kept.search(key):
                part.lost[f"{part.name}.{key}".rpartition(".")[0]] = dtype_of(tensor)

    def _inside_autocast(self, path: str) -> None:
        to = dtype_named(torch.get_autocast_dtype("cpu"))
        weight: Any = self._convolutions[path].weight
        if to.is_half:
            operator = "conv3d" if isinstance(self._convolutions[path], torch.nn.Conv3d) else "conv2d"
            self._note(Event("autocast", path, operator, (dtype_of(weight),), to, by=self.line()))

    def _note(self, event: Event) -> None:
        """Count it: the same at the same place is one event."""
        key = event.kind, event.module
        times = self._events[key].times + 1 if key in self._events else 1
        self._events[key] = Event(event.kind, event.module, event.operator, event.dtypes, event.to, event.by, times=times)


def dtype_named(dtype: torch.dtype) -> DType:
    """Our record of torch's dtype."""
    return dtype_of(torch.empty(0, dtype=dtype, device="meta"))
