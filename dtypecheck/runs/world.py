"""The world a rehearsal takes place in: every operator passes here, is held to its contract, and runs on what it is given.

An operator whose tensors are all real runs for real, so that masks, lengths and token positions keep their values. One that is
given a tensor without numbers (a FakeTensor) gives one. Before either, the contract of the device is asked (contracts.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..dtypes import DType
from . import origins
from .contracts import Breach, Contracts
from .events import Events
from .modules import Modules
from .recalled import Recalled
from .words import first_line

LARGE: Final = 1 << 20
"""Elements from which on a floating tensor of a component is not filled with numbers."""
_ASKS_DEVICE: Final = torch.ops.prim.device.default
"""What torch asks a tensor without numbers so often that it has a way of its own: it makes none."""
_ABSENT: Final = ("not implemented for", "Unsupported dtype", "doesn't support tensors of type", "Low precision dtypes")
_BOOLEAN_INDEX: Final = (torch.bool, torch.uint8)


class Undecided(Exception):
    """The rehearsal cannot go on without numbers: a step depends on values that nobody has."""


class World(TorchDispatchMode):  # type: ignore[misc]
    """Runs operators on real and on fake tensors.

    breach: the contract that was broken, the run ends with it. failed: the exception that an operator raised by
    itself, its name and tensors. inside: the components that run; methods: those called so far.
    dtypes: of the components, as most of their parameters have it.
    building: True while a component is built; busy: True while an operator runs.
    """

    supports_higher_order_operators = True

    def __init__(self, contracts: Contracts, modules: Modules, events: Events | None = None) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.recalled = Recalled(self.fake)
        self.contracts = contracts
        self.modules = modules
        self.events = events
        self.breach: Breach | None = None
        self.undecided = ""
        self.failed: tuple[BaseException, str, tuple[tuple[str, torch.Tensor], ...]] | None = None
        self.building = False
        self.busy = False
        self.dtypes: dict[str, DType] = {}
        self.inside: list[str] = []
        self.methods: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is _ASKS_DEVICE:
            return func(*args)
        with self.alone():
            return self._operator(func, args, dict(kwargs or {}))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Meanwhile nobody answers for another device: our own work is done on the CPU."""
        busy, self.busy = self.busy, True
        try:
            with torch._C.DisableTorchFunction():
                yield
        finally:
            self.busy = busy

    def _operator(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = origins.tensors(args)
        if kwargs:
            origins.tensors(kwargs, given)
        if torch.is_inference_mode_enabled() and not isinstance(func, HigherOrderOperator) and _composite(func):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        broken = None if isinstance(func, HigherOrderOperator) else self.contracts.breach(func, args, kwargs)
        if broken is not None:
            self.breach = broken
            raise broken.error(broken.message)
        try:
            result = self._run(func, args, kwargs, given)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as fault:
            self.failed = fault, name_of(func), roles(func, args)
            raise
        made = origins.tensors(result)
        origins.hand_on(given, made)
        if self.events is not None:
            self.events.operator(func, given, made, self.modules.here)
        return result

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[torch.Tensor]) -> Any:
        if isinstance(func, HigherOrderOperator):
            return self._of_operators(func, args, kwargs, given)
        if any(isinstance(tensor, FakeTensor) for tensor in given):
            return self._without_numbers(func, args, kwargs)
        if not given and _elements(args) > LARGE:
            with self.fake:
                return func(*args, **kwargs)
        try:
            return self._lightened(func(*args, **kwargs))
        except (NotImplementedError, RuntimeError) as fault:
            if not any(words in str(fault) for words in _ABSENT) or self.contracts.device == "cpu":
                raise
            try:
                with self.fake:
                    made = func(*args, **kwargs)
            except (NotImplementedError, RuntimeError):  # an operator without a fake form, which the CPU is asked for again
                return self._in_floats(func, args, kwargs, given, fault)
            return filled(made)

    def _in_floats(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[torch.Tensor], fault: Exception
    ) -> Any:
        """What a kernel that the CPU has for floats alone gives for whole numbers, as the device would give it."""
        if not given or given[0].dtype not in _WHOLE:
            raise fault
        made = func(*(arg.float() if isinstance(arg, torch.Tensor) and arg.dtype in _WHOLE else arg for arg in args), **kwargs)
        return made.to(given[0].dtype) if isinstance(made, torch.Tensor) else made

    def _of_operators(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[torch.Tensor]) -> Any:
        """An operator that is given functions, flex_attention among them: only its shapes can be had."""
        try:
            with self.fake:
                return func(*args, **kwargs)
        except Exception as fault:  # torch's own code for fake tensors raises anything here
            self.undecided = f"{func} cannot be followed without numbers ({first_line(fault)})"
            raise Undecided(self.undecided) from fault

    def _lightened(self, result: Any) -> Any:
        """A result as it is, but without its numbers where it is large and no glue will look at them."""
        if not isinstance(result, torch.Tensor) or not (self.inside or self.building):
            return result
        most = LARGE if result.is_floating_point() else 64 * LARGE
        return self.without_numbers(result) if result.numel() > most else result

    def _without_numbers(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in _BY_INDEX:
            args = (args[0], places(args[1]), *args[2:])
        if func is torch.ops.aten._local_scalar_dense.default and not self.inside:
            return _zero(args[0])
        try:
            if func in _COMPARES and (answer := _compared(func, args)) is not None:
                return _all(self._fake(func, args, kwargs), answer)
            return _first_places(self._fake(func, args, kwargs))
        except (DataDependentOutputException, DynamicOutputShapeException) as fault:
            self.undecided = f"{func} needs numbers that a rehearsal does not have"
            raise Undecided(self.undecided) from fault

    def _fake(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operator on fake tensors; one whose fake form knows fewer dtypes than the real one is asked in one that it knows."""
        if func is _GROUPED and args[0].dtype is args[1].dtype and args[0].dtype is not torch.bfloat16:
            narrow = (
                value.to(torch.bfloat16) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
                for value in args
            )
            return func(*narrow, **kwargs).to(args[0].dtype)
        return self.recalled(func, args, kwargs)

    def without_numbers(self, value: torch.Tensor) -> torch.Tensor:
        """A tensor of the same shape and dtype that holds none; origin kept."""
        if isinstance(value, FakeTensor):
            return value
        with self.alone():
            fake = self.fake.from_tensor(value.detach(), static_shapes=True)
        if found := origins.of(value):
            origins.mark(fake, found)
        return fake

    def parameter(self, like: torch.Tensor, dtype: torch.dtype) -> torch.nn.Parameter:
        """A parameter without numbers, of the shape of another."""
        with self.alone(), self.fake:
            return torch.nn.Parameter(torch.empty(like.shape, dtype=dtype), requires_grad=False)


def filled(value: Any) -> Any:
    """Zeros in place of a tensor without numbers, lists looked into; a huge one takes no memory."""
    if isinstance(value, (list, tuple)):
        return type(value)(filled(item) for item in value)
    if not isinstance(value, FakeTensor):
        return value
    if value.numel() > 32 * LARGE:
        zeros = torch.zeros((), dtype=value.dtype).expand(value.shape)
    else:
        zeros = torch.zeros(value.shape, dtype=value.dtype)
    if found := origins.of(value):
        origins.mark(zeros, found)
    return zeros


def _zero(tensor: torch.Tensor) -> Any:
    if tensor.dtype == torch.bool:
        return False
    return 0.0 if tensor.is_floating_point() else 0


def _elements(args: tuple[Any, ...]) -> int:
    """How many numbers a factory is about to make, as far as its first argument is a shape."""
    shape = args[0] if args else ()
    count = 1
    for size in shape if isinstance(shape, (list, tuple)) else ():
        count *= size if isinstance(size, int) else 1
    return count


_ROLES: Final = {"self": "input", "mat1": "input", "mat2": "weight", "batch1": "input", "batch2": "weight", "attn_mask": "mask"}


def name_of(func: Any) -> str:
    """What people call an operator: `convolution` for aten.convolution.default."""
    return str(func).removeprefix("aten.").partition(".")[0]


def roles(func: Any, args: tuple[Any, ...]) -> tuple[tuple[str, torch.Tensor], ...]:
    """The floating tensors among an operator's arguments, each with what it is there for."""
    names = [argument.name for argument in func._schema.arguments] if hasattr(func, "_schema") else []
    given = zip(names, args, strict=False)
    return tuple((_ROLES.get(name, name), t) for name, t in given if isinstance(t, torch.Tensor) and t.is_floating_point())


_GROUPED: Final = torch.ops.aten._grouped_mm.default


def _first_places(result: Any) -> Any:
    """Positions that a network chooses by numbers nobody has (topk, argmax) are the first ones: no dtype depends on them."""
    if isinstance(result, (list, tuple)):
        return type(result)(_first_places(item) for item in result)
    if not isinstance(result, FakeTensor) or result.dtype not in _WHOLE or result.numel() > LARGE:
        return result
    return torch.zeros(result.shape, dtype=result.dtype)


_EQUAL: Final = (torch.ops.aten.eq.Scalar, torch.ops.aten.eq.Tensor)
_OTHER: Final = (torch.ops.aten.ne.Scalar, torch.ops.aten.ne.Tensor)
_COMPARES: Final = frozenset({*_EQUAL, *_OTHER, torch.ops.aten.isnan.default, torch.ops.aten.isinf.default})


def _compared(func: Any, args: tuple[Any, ...]) -> bool | None:
    """What a comparison of numbers nobody has is taken to say: they are finite, and none is just equal to another number.

    None where two tensors are compared, of which one may have numbers.
    """
    if func not in (*_EQUAL, *_OTHER):
        return False
    first, second = args[:2]
    if isinstance(second, torch.Tensor) and first is not second:
        return None
    return (first is second) == (func in _EQUAL)


def _all(like: torch.Tensor, answer: bool) -> torch.Tensor:
    """One answer for all elements, which takes no memory if there are many."""
    if like.numel() > LARGE:
        return torch.full((), answer).expand(like.shape)
    return torch.full(like.shape, answer)


_WHOLE: Final = (torch.int64, torch.int32, torch.int16)
_BY_INDEX: Final = frozenset({
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
})  # fmt: skip


def places(indices: Any) -> list[Any]:
    """Indices with each mask whose values are there as the places at which it is true, so that the shape is known."""
    found: list[Any] = []
    for index in indices:
        if isinstance(index, torch.Tensor) and index.dtype in _BOOLEAN_INDEX and not isinstance(index, FakeTensor):
            found += index.nonzero().unbind(1)
        else:
            found.append(index)
    return found


_COMPOSITES: dict[Any, bool] = {}


def _composite(func: Any) -> bool:
    """True for an operator that is only made of others."""
    found = _COMPOSITES.get(func)
    if found is None:
        has: Callable[..., bool] = torch._C._dispatch_has_kernel_for_dispatch_key
        found = _COMPOSITES[func] = func.namespace != "prim" and has(func.name(), "CompositeImplicitAutograd")
    return found
