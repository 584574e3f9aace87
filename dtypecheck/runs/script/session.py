"""What one rehearsal of a script knows: its world, the components loaded and where, what stood in, what would be written."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...files import Directory
from ...knowledge import Knowledge
from ...loading import plan
from ...read.layout import Reader
from ...subjects import Component, Pipeline, Request
from .. import edges, origins
from ..contracts import Contracts
from ..events import Events
from ..folder import loadable
from ..origins import Origin
from ..phantoms.component import weight_bytes
from ..rehearse import kind_of
from ..world import World
from .changes import Changes
from .heard import Heard, Part
from .places import folder_of
from .trace import Script
from .writes import Writes

Libraries = tuple[tuple[str, str, str], ...]


@dataclass(slots=True)
class Session:
    """parts: the components by the identity of their module. pipelines: the planned records of all that was loaded whole.

    notes: what is otherwise than in a real run, in words. skipped: kinds of adapters that were not loaded. over: the script has
    ended, and no thread of its wakes the main one any more; waking: held while one does.
    """

    script: Script
    known: Knowledge
    device: str
    models: Mapping[str, Path]
    libraries: Libraries
    world: World
    heard: Heard
    changes: Changes = field(default_factory=partial(Changes, doors=True))
    writes: Writes = field(default_factory=Writes)
    parts: dict[int, Part] = field(default_factory=dict)
    pipelines: list[Pipeline] = field(default_factory=list)
    lone: list[Pipeline] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    depth: int = 0
    called: str = ""
    thread_fault: Exception | None = None
    over: bool = False
    waking: threading.Lock = field(default_factory=threading.Lock)

    def note(self, text: str) -> None:
        """Say once what is otherwise."""
        self.notes.setdefault(text)

    def folder(self, name: object, options: Mapping[str, Any]) -> Path:
        """The folder of a model that the script names. errors: MissingModel."""
        found = folder_of(name, self.models, options.get("revision"), options.get("cache_dir"))
        self.labels.setdefault(str(found), str(name))
        return found

    def label(self, folder: Path) -> str:
        """What the script calls a folder."""
        return self.labels.get(str(folder), folder.name)

    def read(self, root: Path, kinds: tuple[str, ...]) -> Pipeline | None:
        """What lies in a folder itself, if it is of one of these kinds."""
        found = (reading.pipeline for reading in Reader(Directory(root, root.name), self.known).readings())
        return next((it for it in found if it is not None and it.kind in kinds and it.path == "."), None)

    def planned(self, pipeline: Pipeline, request: Request) -> Pipeline:
        """The load plan. errors: what the library raises where the weights are there and cannot be loaded so."""
        made = plan(pipeline, replace(request, device=self.device, libraries=self.libraries), self.known)
        for part in made.components:
            load = part.loads()
            if load.dtype is None and load.failure and part.sets:
                raise _ERRORS.get(load.raises or "", OSError)(load.failure)
        return made

    def adopt(self, name: str, module: torch.nn.Module, role: str = "") -> Part:
        """A pipeline takes a component by this name: its methods become edges, its parameters are known by the name."""
        part = self.parts.get(id(module))
        if part is None:
            part = self.parts[id(module)] = Part(name, module, line=self.script.line())
        elif part.name == name and id(module) in self.heard.paths:
            part.role = role or part.role
            return part
        part.name, part.role = name, role or part.role
        _unguard(module)
        edges.guard(name, module, self.world)
        for key, tensor in (*module.named_parameters(), *module.named_buffers()):
            origins.mark(tensor, Origin("parameter", f"{name}.{key}"))
        self.heard.learn(part)
        return part

    def loaded(self, name: str, module: torch.nn.Module, record: Component | None, alone: bool) -> Part:
        """A phantom was made for the script."""
        part = Part(name, module, record, self.script.line(), loaded=alone, role=record.role if record else "")
        self.parts[id(module)] = part
        self.adopt(name, module, part.role)
        return part

    def weights(self) -> dict[str, int]:
        """Bytes of the parameters by component, as they are now."""
        found: dict[str, int] = {}
        for part in self.parts.values():
            found[part.name] = found.get(part.name, 0) + weight_bytes(part.module)
        return found

    def pipeline(self) -> Pipeline | None:
        """The one pipeline, or the one model, that was loaded."""
        every = self.pipelines or self.lone
        if len(every) != 1:
            return None
        return replace(every[0], components=tuple(loadable(part, every[0]) for part in every[0].components))


_ERRORS: Mapping[str, type[Exception]] = {kind.__name__: kind for kind in (OSError, ValueError, TypeError, EnvironmentError)}


def begin(script: Script, known: Knowledge, device: str, models: Mapping[str, Path], libraries: Libraries) -> Session:
    """A session before anything happened."""
    events = Events({})
    heard = Heard(known, Request(device=device, libraries=libraries), events.halves, script.line)
    world = World(Contracts(known, kind_of(device, known)), heard, events)
    return Session(script, known, device, models, libraries, world, heard)


def _unguard(module: torch.nn.Module) -> None:
    """Take the edges away that a component got under another name."""
    for name, value in list(vars(module).items()):
        if isinstance(value, types.FunctionType) and value.__code__.co_filename == edges.__file__:
            del module.__dict__[name]


Loader = Callable[..., Any]
