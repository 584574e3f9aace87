"""How a pipeline calls its components: heard in a rehearsal as shapes and dtypes, and made again with numbers of a seed."""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensor

_KEEPS: Final = 16
_MANY: Final = 1 << 24
_Shapes = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Shaped:
    """A tensor without numbers."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a component. method: forward, encode or decode. dtype: of its parameters meanwhile: a pipeline may widen them.

    args, kwargs: tensors with true numbers, Shaped in place of the others, and whatever else is given.
    """

    method: str
    dtype: torch.dtype
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Calls:
    """The first call of every method of every component that ran, by what tells components apart: class and shapes."""

    heard: dict[_Shapes, dict[str, Call]] = field(default_factory=dict)

    def of(self, module: torch.nn.Module) -> tuple[Call, ...]:
        """How this module, or a twin of it, was called."""
        return tuple(self.heard.get(shapes(module), {}).values())


def shapes(module: torch.nn.Module) -> _Shapes:
    """What tells a component from others without a look at its numbers."""
    return type(module).__name__, hash(tuple(sorted(tuple(parameter.shape) for parameter in module.parameters())))


@contextmanager
def heard(kinds: Iterable[type]) -> Iterator[Calls]:
    """Follow the calls of all components that run meanwhile in a rehearsal. kinds: their classes.

    A component is a model with a config of its own; what it calls inside is not followed.
    """
    calls, inside = Calls(), list[int]()
    call = torch.nn.Module.__call__

    def followed(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        if inside or not hasattr(module, "config"):
            return call(module, *args, **kwargs)
        inside.append(id(module))
        _note(calls, module, "forward", args, kwargs)
        try:
            return call(module, *args, **kwargs)
        finally:
            inside.pop()

    with ExitStack() as stack:
        for kind in dict.fromkeys(kinds):
            for name in ("encode", "decode"):
                if inspect.isfunction(own := getattr(kind, name, None)):
                    stack.enter_context(_instead(kind, name, _noting(calls, inside, name, own)))
        stack.enter_context(_instead(torch.nn.Module, "__call__", followed))
        yield calls


def _noting(calls: Calls, inside: list[int], name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """A method that notes how it is called; the methods of an autoencoder are no calls of the module."""

    @functools.wraps(own)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        if inside:
            return own(self, *args, **kwargs)
        inside.append(id(self))
        _note(calls, self, name, args, kwargs)
        try:
            return own(self, *args, **kwargs)
        finally:
            inside.pop()

    return noted


@contextmanager
def _instead(owner: type, name: str, value: object) -> Iterator[None]:
    """A class has another method meanwhile; one that it inherits, it inherits again afterwards."""
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _note(calls: Calls, module: torch.nn.Module, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    found = calls.heard.setdefault(shapes(module), {})
    if method not in found:
        given = {key: _spec(value) for key, value in kwargs.items()}
        found[method] = Call(method, main_dtype(module), tuple(map(_spec, args)), given)


def main_dtype(module: torch.nn.Module) -> torch.dtype:
    """The floating dtype that most parameters of a module have."""
    count: dict[torch.dtype, int] = {}
    for parameter in module.parameters():
        if parameter.is_floating_point():
            count[parameter.dtype] = count.get(parameter.dtype, 0) + parameter.numel()
    return max(count, key=lambda dtype: count[dtype], default=torch.float32)


def _spec(value: Any) -> Any:
    match value:
        case FakeTensor():
            return Shaped(tuple(value.shape), value.dtype)
        case torch.Tensor():
            return value
        case list() | tuple():
            return type(value)(map(_spec, value)) if type(value) in (list, tuple) else value
        case dict():
            return {key: _spec(item) for key, item in value.items()}
    return value


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Noise that nobody seeds is the same in every run in here; outside it goes on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def numbers(call: Call, seed: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with numbers: true ones where they are known, else normal ones of the seed, as fp32 holds them.

    Each is rounded to the dtype that the component was given it in, so that a wide and a narrow one get the same numbers.
    """

    def made(value: Any, name: str = "") -> Any:
        match value:
            case Shaped(shape=shape, dtype=dtype):
                return _random(shape, dtype, name, seed)
            case torch.Tensor():
                flat = value.is_floating_point() and value.numel() > _KEEPS and "mask" not in name
                if flat and bool((value == value.flatten()[0]).all()):
                    return _random(tuple(value.shape), value.dtype, name, seed)
                return value.detach().clone()
            case list() | tuple() if type(value) in (list, tuple):
                return type(value)(made(item, name) for item in value)
            case dict():
                return {key: made(item, str(key)) for key, item in value.items()}
        return value

    args = tuple(made(value, str(number)) for number, value in enumerate(call.args))
    return args, {key: made(value, key) for key, value in call.kwargs.items()}


def _random(shape: tuple[int, ...], dtype: torch.dtype, name: str, seed: int) -> torch.Tensor:
    """The same numbers for an argument of this name and shape whatever else is given."""
    if "mask" in name or dtype is torch.bool:
        return torch.ones(shape, dtype=dtype)
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    if len(shape) < 2:  # a timestep, a scale of guidance
        return torch.ones(shape, dtype=dtype)
    count = 1
    for size in shape:
        count *= size
    if count > _MANY:
        raise ValueError(f"an input of {count:,} numbers")
    generator = torch.Generator().manual_seed(seed + zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator).to(dtype)


def cast(value: Any, old: torch.dtype, new: torch.dtype) -> Any:
    """The arguments of a component that computes in `old` for one that does in `new`; what came in another dtype stays."""
    match value:
        case torch.Tensor():
            return value.to(new) if value.dtype is old else value
        case list() | tuple() if type(value) in (list, tuple):
            return type(value)(cast(item, old, new) for item in value)
        case dict():
            return {key: cast(item, old, new) for key, item in value.items()}
    return value
