"""What people call the modules of a run: found by walking the pipelines that hold them and the frames that call them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final
from weakref import ref

import torch

from ...dtypes import DType
from ..modules import dtype_of
from .variables import INSTALLED, locals_of, variable_of

_WRAPPERS: Final = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
"""Steps of a path that only a wrapper made."""


@dataclass(eq=False, slots=True)
class Root:
    """A component of a pipeline, or a module that belongs to none. name: the component's, or the script's variable.

    pipeline: the pipeline object, weakly; klass: its class. variable: the script's name for that. steps: outermost calls of it or
    of parts of it. facts: what it is made of; stale: it runs in a new way since these were taken.
    """

    name: str
    module: Any
    pipeline: Any = None
    variable: str = ""
    steps: int = 0
    order: int = 0
    main: DType | None = None
    klass: str | None = None
    facts: Any = None
    stale: bool = True

    @property
    def is_component(self) -> bool:
        """True where a pipeline holds it."""
        return self.pipeline is not None


@dataclass(eq=False, slots=True)
class Row:
    """One module. below: its path from its root on, "" for the root itself. ways: calls by (dtype in, dtype out, autocast).

    torchs: its class is PyTorch's own, installed: or another library's.
    parameters: the names of what `forward` takes. absmax: the largest magnitude of any output that was finite, -1 for none.
    leaf: it has no module in it. own: it has parameters of its own.
    """

    module: Any
    root: Root
    below: str
    klass: str
    leaf: bool
    own: bool
    torchs: bool
    installed: bool
    parameters: tuple[str, ...]
    ways: dict[tuple[Any, ...], int] = field(default_factory=dict)
    absmax: float = -1.0
    order: int = -1


class Names:
    """The rows of all modules that ran, and the roots they belong to."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.roots: list[Root] = []
        self._places: dict[int, tuple[Any, Root, str]] = {}
        self._pipelines: list[Any] = []
        self._inline: dict[tuple[Row, type], Row] = {}
        self._signatures: dict[Any, tuple[str, ...]] = {}

    def pipeline(self, pipe: Any, variable: str = "") -> None:
        """Learn the components of a pipeline; again when it got new ones."""
        known = any(found() is pipe for found in self._pipelines)
        if not known:
            self._pipelines.append(ref(pipe))
        for name, part in components(pipe).items():
            place = self._places.get(id(part))
            if place is not None and place[0]() is part and place[1].is_component:
                place[1].variable = place[1].variable or variable
                continue
            if isinstance(part, torch.nn.Module):
                self._walk(Root(name, ref(part), ref(pipe), variable, klass=type(pipe).__name__))

    def expect(self, pipe: Any) -> None:
        """A pipeline was made: its parts are looked for in it."""
        if not any(found() is pipe for found in self._pipelines):
            self._pipelines.append(ref(pipe))

    def bare(self, module: torch.nn.Module, variable: str = "") -> Root:
        """Learn a module that no pipeline holds."""
        root = Root(variable or type(module).__name__, ref(module), None, variable)
        self._walk(root)
        return root

    def _walk(self, root: Root) -> None:
        """All modules of a root; one that is known by another root keeps that, unless a pipeline now holds it."""
        self.roots.append(root)
        root.order = len(self.roots)
        for path, module in root.module().named_modules():
            known = self._places.get(id(module))
            if known is not None and known[0]() is module and (known[1].is_component or not root.is_component):
                continue
            below = ".".join(word for word in path.split(".") if word not in _WRAPPERS)
            self._places[id(module)] = ref(module), root, below
            row = self.rows.get(id(module))
            if row is not None and row.module() is module:
                row.root, row.below = root, below

    def row(self, module: torch.nn.Module, above: Row | None, frame: FrameType | None) -> Row:
        """The row of a module that is called for the first time. above: of the module that calls it. frame: the caller's."""
        place = self._place(module)
        if place is None and above is None:
            self._discover(module, frame)
            place = self._place(module)
        elif place is None and above is not None:
            key = above, type(module)
            if key in self._inline:
                return self._inline[key]
            self._again(above)
            place = self._place(module)
            if place is None:  # made where it is called: all of its class there are one
                place = above.root, f"{above.below}.{type(module).__name__}".strip(".")
                self._inline[key] = self._made(module, *place)
                return self._inline[key]
        root, below = place if place is not None else (self.bare(module), "")
        row = self.rows[id(module)] = self._made(module, root, below)
        return row

    def _made(self, module: torch.nn.Module, root: Root, below: str) -> Row:
        return Row(
            ref(module),
            root,
            below,
            type(module).__name__,
            not module._modules,
            bool(module._parameters),
            type(module).__module__.startswith("torch.nn."),
            any(part in str(getattr(sys.modules.get(type(module).__module__), "__file__", "")) for part in INSTALLED),
            self._signature(module),
        )

    def _place(self, module: torch.nn.Module) -> tuple[Root, str] | None:
        found = self._places.get(id(module))
        return (found[1], found[2]) if found is not None and found[0]() is module else None

    def _again(self, above: Row) -> None:
        """Modules that were put into another after that was walked: LoRA layers, swapped parts."""
        module = above.module()
        for path, part in module.named_modules() if module is not None else ():
            known = self._places.get(id(part))
            if known is None or known[0]() is not part:
                inner = ".".join(word for word in path.split(".") if word not in _WRAPPERS)
                self._places[id(part)] = ref(part), above.root, f"{above.below}.{inner}".strip(".")

    def _discover(self, module: torch.nn.Module, frame: FrameType | None) -> None:
        """Who holds a module that was called from here: a pipeline in a frame, else the outermost module whose method runs."""
        for found in self._pipelines:
            pipe = found()
            if pipe is not None:
                self.pipeline(pipe, variable_of(pipe, frame))
        if self._place(module):
            return
        holder, where = module, frame
        while frame is not None:
            owner = locals_of(frame).get("self")
            if is_pipeline(owner) and _holds(owner, module):
                self.pipeline(owner, variable_of(owner, frame.f_back))
                if self._place(module):
                    return
            if isinstance(owner, torch.nn.Module) and owner is not holder and any(part is holder for part in owner.modules()):
                holder, where = owner, frame.f_back
            frame = frame.f_back
        if not self._place(holder):
            self.bare(holder, variable_of(holder, where))

    def _signature(self, module: torch.nn.Module) -> tuple[str, ...]:
        forward = type(module).forward
        known = self._signatures.get(forward)
        if known is None:
            try:
                known = tuple(inspect.signature(forward).parameters)[1:]
            except (ValueError, TypeError):
                known = ()
            self._signatures[forward] = known
        return known

    def path(self, row: Row) -> str:
        """From the pipeline's component on; a bare module's own path where it is the only root, else with its name in front."""
        return self.below(row.root, row.below)

    def below(self, root: Root, path: str) -> str:
        """What a path below a root is called."""
        if not root.is_component and self.alone:
            return path or root.name
        return f"{root.name}.{path}".strip(".")

    def parameter(self, tensor: torch.Tensor) -> str:
        """The path of a parameter, "" for one of a module that has not run."""
        for root in self.roots:
            module = root.module()
            for key, own in module.named_parameters() if module is not None else ():
                if own is tensor:
                    return self.below(root, key)
        return ""

    @property
    def alone(self) -> bool:
        """True where there is one root and no pipeline holds it."""
        return sum(root.steps > 0 for root in self.roots) <= 1

    def told(self) -> list[Root]:
        """The roots that ran, or stand in a pipeline of which a part did, in the order they were met."""
        ran = {id(root.pipeline) for root in self.roots if root.steps and root.pipeline is not None}
        return [root for root in self.roots if root.steps or id(root.pipeline) in ran]


def components(pipe: Any) -> Mapping[str, Any]:
    """What a pipeline consists of, by name; nothing where that cannot be told."""
    try:
        found = pipe.components
    except Exception:  # noqa: BLE001 - a property of the user's or the library's own
        return {}
    return found if isinstance(found, Mapping) else {}


def is_pipeline(value: Any) -> bool:
    """True for what has components and is called: pipelines of diffusers, and what people build like them."""
    kind = type(value)
    return not isinstance(value, (torch.nn.Module, type)) and hasattr(kind, "components") and callable(value)


def _holds(pipe: Any, module: torch.nn.Module) -> bool:
    return any(
        isinstance(part, torch.nn.Module) and any(inner is module for inner in part.modules())
        for part in components(pipe).values()
    )


def main_dtype(module: torch.nn.Module) -> DType | None:
    """The dtype of most floating parameters of a module, None without any."""
    counts: dict[torch.dtype, list[Any]] = {}
    for tensor in module.parameters():
        if tensor.is_floating_point():
            counts.setdefault(tensor.dtype, [0, tensor])[0] += tensor.numel()
    if not counts:
        return None
    return dtype_of(max(counts.values(), key=lambda entry: int(entry[0]))[1])
