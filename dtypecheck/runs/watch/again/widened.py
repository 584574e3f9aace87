"""The weights of a module in float32 for a while: other tensors stand in the same modules, and its own come back untouched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import torch

from ..reduced import FLOATS
from .moved import still, stored

_STORED: Final = frozenset(getattr(torch, name) for name in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, name))
"""Dtypes that weights are kept in and nothing is computed in."""
_WIDE: Final = frozenset({torch.float32, torch.float64})


class Impossible(Exception):
    """A module cannot be run in float32; the text says why."""


class Widened:
    """Makes all floating weights and buffers below a module float32, as long as the `with` block lasts.

    Where they do not fit into memory together, a part has its weights only while it runs: `around` is to stand around each call;
    until then they have their shape and dtype, and are NaN. device: where the tensors of the call lie. memory: bytes that may be
    taken, None for no limit. errors: Impossible for packed weights, and where the largest part does not fit.
    """

    def __init__(self, module: torch.nn.Module, device: torch.device, memory: int | None = None) -> None:
        self.module = module
        self.device = device
        self._parts: dict[int, list[torch.nn.Module]] = {}
        self._slots: dict[int, list[tuple[dict[str, Any], str, torch.Tensor]]] = {}
        self._real: dict[int, torch.Tensor] = {}
        self._stack = contextlib.ExitStack()
        if why := packed(module):
            raise Impossible(why)
        self._whole = memory is None or wide_bytes(module.modules()) <= memory
        if not self._whole:
            self._divide(module, memory or 0)

    def __enter__(self) -> Widened:
        try:
            for part in self.module.modules():
                self._stack.enter_context(still(part, self.device))
                self._stack.callback(_put, self._found(part))
                self._fill(part, self._whole)
                self._stack.enter_context(_flat(part))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._real.clear()

    @contextlib.contextmanager
    def around(self, module: torch.nn.Module) -> Iterator[None]:
        """The weights that a call of this module needs are there meanwhile."""
        parts = self._parts.get(id(module), ())
        try:
            with contextlib.ExitStack() as stack:
                for part in parts:
                    self._fill(part, True)
                    stack.callback(self._fill, part, False)
                    stack.enter_context(_flat(part))
                yield
        finally:
            if parts:
                self._real.clear()

    def _divide(self, module: torch.nn.Module, memory: int) -> None:
        """What is to be there while a module runs: all below it where that fits, else its own weights alone."""
        below = list(module.modules())
        if type(module).forward is not torch.nn.Module.forward and wide_bytes(below) <= memory:
            self._parts[id(module)] = below
            return
        own = wide_bytes([module])
        if own > memory:
            raise Impossible(
                f"a {type(module).__name__} alone needs {own >> 20:,} MB in float32, and {memory >> 20:,} MB may be used"
            )
        self._parts[id(module)] = [module]
        for child in module.children():
            self._divide(child, memory - own)

    def _found(self, part: torch.nn.Module) -> list[tuple[dict[str, Any], str, torch.Tensor]]:
        """The tensors of one module that are to be float32, and the slots they stand in."""
        places: tuple[dict[str, Any], ...] = (part._parameters, part._buffers, part.__dict__)
        found = [(slots, name, tensor) for slots in places for name, tensor in slots.items() if _narrow(tensor)]
        self._slots[id(part)] = found
        return found

    def _fill(self, part: torch.nn.Module, real: bool) -> None:
        for slots, name, tensor in self._slots[id(part)]:
            parameter = slots is part._parameters
            if parameter and not real:
                slots[name] = torch.nn.Parameter(_empty(tensor, self.device), requires_grad=False)
                continue
            made = self._real.get(id(tensor))
            if made is None:
                made = self._real[id(tensor)] = self._made(part, name, tensor, parameter)
            slots[name] = made

    def _made(self, part: torch.nn.Module, name: str, tensor: torch.Tensor, parameter: bool) -> torch.Tensor:
        source = stored(part, name) if tensor.is_meta else tensor
        if source is None:
            raise Impossible("its weights lie where they cannot be read")
        device = self.device if source.device.type in ("cpu", "meta") else source.device
        if torch.is_grad_enabled() and source.requires_grad:
            return source.to(device, torch.float32)  # no parameter: what is learned flows back to the weight itself
        made = source.detach().to(device, torch.float32)
        return torch.nn.Parameter(made, requires_grad=False) if parameter else made


def packed(module: torch.nn.Module) -> str:
    """Why the weights of a module are not what it computes with, in words; "" where they are."""
    for part in module.modules():
        for name, tensor in part._parameters.items():
            if tensor is None:
                continue
            if type(tensor) not in (torch.nn.Parameter, torch.Tensor):
                return f"its weights are packed ({type(tensor).__name__})"
            if not tensor.is_floating_point() and not tensor.is_complex():
                return f"its weights are quantised ({str(tensor.dtype).removeprefix('torch.')})"
            if tensor.is_meta and stored(part, name) is None:
                return "its weights lie where they cannot be read"
    if getattr(module, "hf_quantizer", None) is not None or getattr(module, "is_quantized", False):
        return "its weights are quantised"
    if isinstance(module, torch.jit.ScriptModule):
        return "it is compiled by TorchScript"
    return ""


def wide_bytes(modules: Iterable[torch.nn.Module]) -> int:
    """Bytes that the weights of these modules, without what is in them, take more in float32."""
    own = {id(tensor): tensor for part in modules for tensor in part._parameters.values() if _narrow(tensor)}
    return sum(4 * tensor.numel() for tensor in own.values())


def free(device: torch.device) -> int:
    """Bytes of memory that are free on a device, 0 where nobody knows."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 8 << 30


def _narrow(tensor: Any) -> bool:
    """Whether a tensor is to be float32 and is not; one without numbers has them elsewhere."""
    if not isinstance(tensor, torch.Tensor) or type(tensor) not in (torch.nn.Parameter, torch.Tensor):
        return False
    return (tensor.dtype in FLOATS or tensor.dtype in _STORED) and (tensor.dtype not in _WIDE or tensor.is_meta)


def _empty(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Shape and dtype, and NaN for numbers: whoever computes with it is found out."""
    device = device if tensor.device.type in ("cpu", "meta") else tensor.device
    return torch.full((), float("nan"), device=device).expand(tensor.shape)


def _put(found: list[tuple[dict[str, Any], str, torch.Tensor]]) -> None:
    for slots, name, tensor in found:
        slots[name] = tensor


@contextlib.contextmanager
def _flat(part: torch.nn.Module) -> Iterator[None]:
    """Recurrent layers keep their weights in a list beside: it holds the new ones meanwhile."""
    names = part.__dict__.get("_flat_weights_names")
    if not names:
        yield
        return
    before = part.__dict__["_flat_weights"]
    part.__dict__["_flat_weights"] = [getattr(part, name, None) for name in names]
    try:
        yield
    finally:
        part.__dict__["_flat_weights"] = before
