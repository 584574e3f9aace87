"""What a live traceback still holds: the module that failed, and the tensors that the failing line names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import torch

from ...subjects.shown import Operand
from ..modules import dtype_of
from .expression import Term, attributes, terms
from .names import components

_WRAPPERS: Final = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")
_MOST: Final = 6
"""Operands that are told."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One frame of a traceback, with what it was doing. instruction: its last one, for the place in the line."""

    frame: FrameType
    line: int
    instruction: int

    @property
    def owner(self) -> Any:
        """The object whose method it is, None for a function."""
        return self.frame.f_locals.get("self")

    @property
    def torch(self) -> bool:
        """True for PyTorch's own code."""
        return "/torch/" in self.frame.f_code.co_filename.replace("\\", "/")


def stops(fault: BaseException) -> tuple[Stop, ...]:
    """The frames that an exception came through, the outermost first."""
    trace, found = fault.__traceback__, []
    while trace is not None:
        found.append(Stop(trace.tb_frame, trace.tb_lineno, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(found)


def named(fault: BaseException) -> tuple[str, str]:
    """The path of the innermost module that an exception came through, and its class; "" twice where it was none.

    The path begins at the component if a pipeline is among the frames' variables, else below the outermost module.
    """
    path, module = _named(stops(fault))
    return path, type(module).__name__ if module is not None else ""


def operands(fault: BaseException) -> tuple[str, str, tuple[Operand, ...]]:
    """Path and class of the innermost module, and the tensors that met there, by role, each with its dtype and its name.

    They are read from the failing line, in the frame's own variables; where that has none, from the module's parameters and
    the arguments of its `forward`.
    """
    seen = stops(fault)
    path, module = _named(seen)
    met = _on_the_line(seen, path, module) if seen else ()
    if not met and module is not None:
        met = _of_module(seen, path, module)
    return path, type(module).__name__ if module is not None else "", met[:_MOST]


def _is_module(value: object) -> bool:
    """By the type alone: asking a stranger's object for its class may run its code."""
    return issubclass(type(value), torch.nn.Module)


def _named(seen: tuple[Stop, ...]) -> tuple[str, torch.nn.Module | None]:
    """The innermost module of the traceback and its path."""
    own = [stop.owner for stop in seen if _is_module(stop.owner)]
    if not own:
        return "", None
    module: torch.nn.Module = own[-1]
    holders = [pipe for stop in seen if not stop.torch for pipe in _pipelines(stop)]
    for owner in (*holders, *(stop.owner for stop in seen)):
        for name, part in _held(owner):
            path = _below(part, module)
            if path is not None:
                return f"{name}.{path}".strip("."), module
    return "", module


def _pipelines(stop: Stop) -> Iterator[Any]:
    """What has components and stands in a frame's variables: the pipeline itself, or the one whose part a script calls."""
    for value in list(stop.frame.f_locals.values()):
        if hasattr(type(value), "components") and not isinstance(value, type) and not _is_module(value):
            yield value


def _held(owner: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    """The modules that a pipeline, or an object that keeps them as attributes, has by name; a module itself without one."""
    if _is_module(owner):
        yield "", owner
        return
    if hasattr(type(owner), "components"):
        yield from ((str(name), part) for name, part in components(owner).items() if _is_module(part))
    yield from ((name, part) for name, part in list(attributes(owner).items()) if _is_module(part))


def _below(root: torch.nn.Module, module: torch.nn.Module) -> str | None:
    """The path of a module from a root on, "" for the root itself, None where it is not in it."""
    for path, part in root.named_modules():
        if part is module:
            return ".".join(word for word in path.split(".") if word not in _WRAPPERS)
    return None


def _on_the_line(seen: tuple[Stop, ...], path: str, module: torch.nn.Module | None) -> tuple[Operand, ...]:
    """The tensors that the failing line of the innermost frame names."""
    last = seen[-1]
    found = [term for term in terms(last.frame, last.line, last.instruction) if issubclass(type(term.value), torch.Tensor)]
    floating = [term for term in found if term.value.is_floating_point() or term.value.is_complex()]
    chosen = floating if len(floating) > 1 or not found else found
    return tuple(Operand(term.role, dtype_of(term.value), _made(term, seen, path, module)) for term in chosen)


def _made(term: Term, seen: tuple[Stop, ...], path: str, module: torch.nn.Module | None) -> str:
    """What people call a tensor: a parameter's path, or the variable's name in the innermost code that is not PyTorch's."""
    for name, value in module._parameters.items() if module is not None else ():
        if value is term.value:
            return f"{path}.{name}".strip(".")
    for stop in reversed(seen):
        if not stop.torch:
            for name, value in list(stop.frame.f_locals.items()):
                if value is term.value and name.isidentifier():
                    return name
    return term.name


def _of_module(seen: tuple[Stop, ...], path: str, module: torch.nn.Module) -> tuple[Operand, ...]:
    """A module's own parameters, and the floating arguments of its `forward`."""
    given: list[Operand] = []
    for stop in reversed(seen):
        code = stop.frame.f_code
        if stop.owner is module and code.co_name not in ("_call_impl", "_wrapped_call_impl"):
            names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
            values = [(name, stop.frame.f_locals.get(name)) for name in names]
            given = [
                Operand("mask" if "mask" in name else "input", dtype_of(value), name)
                for name, value in values
                if issubclass(type(value), torch.Tensor) and value.is_floating_point()  # type: ignore[union-attr]
            ]
            break
    own = [
        Operand("bias" if "bias" in name else "weight", dtype_of(value), f"{path}.{name}".strip("."))
        for name, value in module._parameters.items()
        if value is not None and value.is_floating_point()
    ]
    return (*given, *own)
