"""What an operator gives for tensors without numbers, remembered: the same shapes and dtypes give the same again.

A network repeats its blocks, and an operator on a FakeTensor takes torch most of a millisecond to work out. Only the outcome is
remembered, never a tensor; whatever could make it another one is part of what it is remembered by, or is not remembered.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager

_PLAIN: Final = (int, float, bool, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format)
_VARIES: Final = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.inplace_view)
_CPU: Final = torch.device("cpu")


class _Result(NamedTuple):
    """The one tensor that an operator gives. offset: into the storage of its first argument, None for one of its own."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    offset: int | None


class _Unlike(Exception):
    """An argument of which more counts than its shape and dtype."""


class Recalled:
    """Calls operators on fake tensors of one mode, or makes what they gave before. Nobody's tensors need a gradient."""

    def __init__(self, mode: FakeTensorMode) -> None:
        self.mode = mode
        self._known: dict[tuple[Any, ...], _Result] = {}
        self._fit: dict[Any, bool] = {}

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `func` gives for these arguments."""
        fit = self._fit.get(func)
        if fit is None:
            fit = self._fit[func] = _fits(func)
        if not fit:
            return func(*args, **kwargs)
        key: list[Any] = [func, torch.get_default_dtype(), torch.is_inference_mode_enabled()]
        try:
            self._add(key, args)
            for name, value in kwargs.items():
                key.append(name)
                self._add(key, (value,))
        except _Unlike:
            return func(*args, **kwargs)
        whole = tuple(key)
        found = self._known.get(whole)
        if found is not None:
            return self.made(found, args)
        result = func(*args, **kwargs)
        if (seen := self._seen(func, result, args, kwargs)) is not None:
            self._known[whole] = seen
        return result

    def made(self, result: _Result, args: tuple[Any, ...]) -> FakeTensor:
        """A tensor like the one that was given before."""
        with in_kernel_invocation_manager(self.mode):  # what is made here is no operator of anybody's
            empty = torch.empty_strided(result.shape, result.stride, dtype=result.dtype, device="meta")
            if result.offset is not None:
                empty.set_(args[0].untyped_storage(), result.offset, result.shape, result.stride)
        return FakeTensor(self.mode, empty, _CPU)

    def _add(self, key: list[Any], values: Any) -> None:
        """All that counts of some arguments. errors: _Unlike."""
        for value in values:
            kind = type(value)
            if kind is FakeTensor:
                key += self._of_tensor(value)
            elif kind in (list, tuple):
                key += (kind, len(value))
                self._add(key, value)
            elif kind in _PLAIN:
                key += (kind, value)
            elif isinstance(value, torch.nn.Parameter) and isinstance(value, FakeTensor):
                key += self._of_tensor(value)
            else:
                raise _Unlike

    def _of_tensor(self, value: Any) -> tuple[Any, ...]:
        dtype = value.dtype
        if value.fake_mode is not self.mode or value.requires_grad or value.constant is not None:
            raise _Unlike
        if dtype.is_complex or value.layout is not torch.strided or value.fake_device != _CPU:
            raise _Unlike
        return FakeTensor, tuple(value.shape), value.stride(), dtype, value.storage_offset()

    def _seen(self, func: Any, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Result | None:
        """What is remembered of a result; None where it is not a plain new tensor, or a view of the first argument."""
        if type(result) is not FakeTensor or result.is_neg():
            return None
        try:
            _, shape, stride, dtype, offset = self._of_tensor(result)
        except _Unlike:
            return None
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        given += [item for value in args if isinstance(value, (list, tuple)) for item in value if isinstance(item, torch.Tensor)]
        of = [value for value in given if value is result or torch._C._is_alias_of(value, result)]
        if not of:
            return None if offset or func.is_view else _Result(shape, stride, dtype, None)
        if func.is_view and of == [args[0]] and result is not args[0]:
            return _Result(shape, stride, dtype, offset)
        return None


def _fits(func: Any) -> bool:
    """Whether an operator gives one tensor that hangs on shapes and dtypes alone, and changes none that it is given."""
    if not isinstance(func, OpOverload) or func.namespace != "aten" or func._schema.is_mutable:
        return False
    if any(tag in func.tags for tag in _VARIES) or func is torch.ops.aten._unsafe_view.default:
        return False
    composite = torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    returns = func._schema.returns
    return len(returns) == 1 and str(returns[0].type) == "Tensor" and not composite
