"""Which module is running: a stack of module paths, and what went through each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from ..dtypes import BY_NAME, DType, parse
from ..subjects.shown import ModuleRow
from .origins import tensors


def dtype_of(tensor: torch.Tensor) -> DType:
    """Our name for a tensor's dtype. errors: KeyError for one that no safetensors file can hold."""
    return parse(str(tensor.dtype)) or BY_NAME["U8"]


class Modules:
    """The paths of all modules of a pipeline, and the stack of those that run.

    failed: the path at which the exception `raised` came up; given: the operator and operands of the module that raised.
    rows: calls and dtypes by path, in the order of the first call.
    """

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.stack: list[str] = []
        self.failed: str | None = None
        self.raised: BaseException | None = None
        self.given: tuple[str, tuple[tuple[str, torch.Tensor], ...]] = ("", ())
        self._rows: dict[str, list[Any]] = {}

    def name(self, parts: Mapping[str, object]) -> None:
        """Learn the paths of these components and of all in them."""
        for name, part in parts.items():
            if isinstance(part, torch.nn.Module):
                for path, module in part.named_modules():
                    self.paths.setdefault(id(module), f"{name}.{path}".strip("."))

    def path(self, module: torch.nn.Module) -> str:
        """The path of a module; for one made on the way, its class below whoever runs it."""
        found = self.paths.get(id(module))
        return found if found is not None else ".".join([*self.stack[-1:], type(module).__name__])

    @property
    def here(self) -> str:
        """The path of the module that runs, "" in the glue."""
        return self.stack[-1] if self.stack else ""

    def rows(self) -> tuple[ModuleRow, ...]:
        """What went through each module."""
        return tuple(ModuleRow(path, calls, into, out) for path, (calls, into, out) in self._rows.items())

    def enter(self, path: str) -> None:
        """A module or component method begins."""
        self.stack.append(path)

    def leave(self) -> None:
        """It is done."""
        self.stack.pop()

    def fail(self) -> None:
        """An exception leaves the running module; the innermost keeps the place, until another exception comes."""
        fault = sys.exc_info()[1]
        if self.failed is None or not came_from(fault, self.raised):
            self.failed = self.here
        self.raised = fault

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Follow every call of every module meanwhile."""
        call = torch.nn.Module.__call__

        def followed(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            path = self.path(module)
            row = self._rows.get(path)
            if row is None:
                row = self._rows[path] = [0, _first(args, kwargs), None]
            row[0] += 1
            self.enter(path)
            try:
                result = call(module, *args, **kwargs)
            except Exception:  # a module's own code raises anything; it is noted and goes on
                if self.failed is None or not came_from(sys.exc_info()[1], self.raised):
                    self.given = _operands(module, args, kwargs)
                self.fail()
                raise
            finally:
                self.leave()
            if row[2] is None:
                row[2] = _first((result,), {})
            return result

        torch.nn.Module.__call__ = followed
        try:
            yield
        finally:
            torch.nn.Module.__call__ = call


def came_from(fault: BaseException | None, raised: BaseException | None) -> bool:
    """True when one exception is the other or was raised from it; one that was caught and is over has nothing to do with it."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        if fault is raised:
            return True
        seen.add(id(fault))
        fault = fault.__cause__ or fault.__context__
    return False


def _operands(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, tuple[tuple[str, torch.Tensor], ...]]:
    """What a module without parts computes with: its first floating argument and its own parameters."""
    own = [(name, parameter) for name, parameter in module._parameters.items() if parameter is not None]
    given = next((t for t in tensors(args) or tensors(kwargs) if t.is_floating_point()), None)
    if given is None or not own or any(True for _ in module.children()):
        return "", ()
    return type(module).__name__.lower(), (("input", given), *own)


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> DType | None:
    """The dtype of the first floating tensor."""
    for tensor in tensors(args) or tensors(kwargs):
        if tensor.is_floating_point():
            return dtype_of(tensor)
    return None
