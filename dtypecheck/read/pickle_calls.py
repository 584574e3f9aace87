"""What a call in a pickle would give: tensors described from the arguments of torch's rebuild functions, nothing run.

A few bytes of a stream can call with the same huge arguments again, so no function here copies or walks what it is given;
only a shape is walked, and that has at most 64 lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..dtypes import F4, DType
from .pickle_values import Found, Global, Storage, StorageType, Table, Thing
from .shown import shown

Arguments = tuple[object, ...]

MOST_ELEMENTS: Final = 2**63 - 1
MOST_DIMENSIONS: Final = 64
WRAPS_A_CALL: Final = ("torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type")
"""Functions that call their first argument, with the third one as arguments."""
ROWS: Final = "dict of rows"
"""Name of the Thing that a dict made from a list of pairs is (Python 2 pickles an OrderedDict so)."""
_MAKES_OBJECT: Final = ("copyreg._reconstructor", "copyreg.__newobj__")


def call(name: str, arguments: Arguments) -> object:
    """The description of what `name(*arguments)` returns. source: torch/_utils.py and torch/_tensor.py of 0.4 to 2.13."""
    match arguments:
        case (Global() as inner, _, tuple() as rest, *_) if name in WRAPS_A_CALL:
            name, arguments = inner.name, rest
    made = _CALLS.get(name)
    if made:
        return made(arguments)
    if name in _MAKES_OBJECT and arguments and isinstance(arguments[0], Global):
        return Thing(arguments[0].name, arguments)
    return Thing(name, arguments)


def persistent(saved: object) -> object:
    """What a persistent id stands for: a storage, or the class of an old pickled module; None when it has no known form."""
    match saved:
        case ("storage", StorageType() as kind, str() | int() as key, _, int() as count):
            return _storage(kind, key, count)
        case ("storage", StorageType() as kind, str() | int() as key, _, int() as count, view):
            return _storage(kind, key, count, view is not None)
        case ("module", Global() as klass, *_):
            return klass
    return None


def _storage(kind: StorageType, key: str | int, count: int, part: bool = False) -> Storage | None:
    if not 0 <= count <= MOST_ELEMENTS:
        return None
    return Storage(kind, str(key), kind.dtype.nbytes(count) if kind.dtype else count, part)


def _shape(size: object) -> tuple[int, ...] | str:
    """The shape that `size` says, or what is wrong with it."""
    if not isinstance(size, (tuple, list)):
        return "its shape is not a tuple of numbers"
    if len(size) > MOST_DIMENSIONS:
        return f"its shape has {len(size)} dimensions"
    elements = 1
    for length in size:
        if type(length) is not int:
            return "its shape is not a tuple of numbers"
        if length < 0:
            return f"its shape has a negative length, {length}"
        elements *= length or 1
    if elements > MOST_ELEMENTS:
        return "its shape has more than 2^63 elements"
    return tuple(size)


def _tensor(dtype: object, size: object, storage: Storage | None = None, offset: object = 0, stride: object = None) -> Found:
    """A tensor of this dtype and shape; told as faulty when it does not fit into its storage."""
    shape = _shape(size)
    if isinstance(shape, str):
        return Found(fault=shape)
    if storage and storage.kind.name:
        return Found(
            shape=shape, fault=f"its numbers are of a kind unknown here, torch.{shown(storage.kind.name)}", understood=False
        )
    if not isinstance(dtype, DType):
        name = dtype.name if isinstance(dtype, Global) else "none"
        return Found(shape=shape, fault=f"its dtype is unknown here, {shown(name)}", understood=False)
    fault = _beyond(dtype, shape, storage, offset, stride) if storage else ""
    logical = (*shape[:-1], shape[-1] * 2) if dtype is F4 and shape else shape
    if fault or not storage or not isinstance(offset, int) or not isinstance(stride, (tuple, list)) or dtype is F4:
        return Found(dtype, logical, storage, fault)
    return Found(dtype, logical, storage, fault, offset=offset, stride=tuple(stride))


def _beyond(dtype: DType, shape: tuple[int, ...], storage: Storage, offset: object, stride: object) -> str:
    """What is wrong when the last element lies outside of the storage, "" when it does not."""
    steps = stride if isinstance(stride, (tuple, list)) and len(stride) == len(shape) else None
    if type(offset) is not int or offset < 0 or steps is None or not all(type(step) is int and step >= 0 for step in steps):
        return "its offset or strides are not numbers that fit its shape"
    if 0 in shape:
        return ""
    last = offset + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    each = max(dtype.bits // 8, 1)
    if (last + 1) * each <= storage.nbytes:
        return ""
    return f"it reaches to byte {(last + 1) * each} of storage {shown(storage.key)}, which has {storage.nbytes}"


def _strided(arguments: Arguments) -> Found:
    match arguments:
        case (Storage() as storage, offset, size, stride, *_):
            return _read_as(_tensor(storage.kind.dtype, size, storage, offset, stride), arguments[6:7])
    return Found(fault="it is built from no storage")


def _strided_typed(arguments: Arguments) -> Found:
    match arguments:
        case (Storage() as storage, offset, size, stride, _, _, dtype, *_):
            return _read_as(_tensor(dtype, size, storage, offset, stride), arguments[7:8])
    return Found(fault="it is built from no storage")


def _read_as(tensor: Found, marks: Sequence[object]) -> Found:
    """The tensor; its numbers are not plainly there where marks say that they are to be negated or conjugated when read."""
    plain = not marks or marks[0] is None or (isinstance(marks[0], Table) and not marks[0].pairs)
    return tensor if plain else replace(tensor, offset=None)


def _scaled(arguments: Arguments) -> Found:
    """A quantised tensor: its numbers are those of the storage times a scale."""
    return replace(_strided(arguments), offset=None)


def _same(arguments: Arguments) -> object:
    match arguments:
        case (Found() as tensor, *_):
            return tensor
    return Found(fault="it is a parameter around something that is not understood", understood=False)


def _sparse(arguments: Arguments) -> Found:
    match arguments:
        case (_, (Found(), Found() as values, (tuple() | list()) as size, *_)) | (
            _,
            (Found(), Found(), Found() as values, (tuple() | list()) as size, *_),
        ):
            return _tensor(values.dtype, size)
    return Found(fault="it is a sparse tensor without values", understood=False)


def _bare(arguments: Arguments) -> Found:
    match arguments:
        case (dtype, size, *_):
            return _tensor(dtype, size)
    return Found(fault="it is built from nothing")


def _wrapped(arguments: Arguments) -> Found:
    match arguments:
        case (_, dtype, size, *_):
            return _tensor(dtype, size)
    return Found(fault="it is built from nothing")


def _from_device(arguments: Arguments) -> Found:
    """A tensor of another device. Its data is a tensor, or a numpy array, whose shape is the second part of its state."""
    match arguments:
        case (Found(shape=tuple() as size), dtype, *_) | (Thing(state=(_, size, *_)), dtype, *_):
            return _tensor(dtype, size)
    return Found(fault="it is built from something that is not understood", understood=False)


def _table(arguments: Arguments) -> object:
    """A dict made from nothing or from another one; `defaultdict` has its factory before that. Else a Thing around its rows."""
    if not arguments or isinstance(arguments[-1], (Global, type(None))):
        return Table()
    return arguments[-1] if isinstance(arguments[-1], Table) else Thing(ROWS, arguments)


def _items(arguments: Arguments) -> object:
    return arguments[0] if arguments and isinstance(arguments[0], (tuple, list)) else []


def _size(arguments: Arguments) -> object:
    return arguments[0] if arguments and isinstance(arguments[0], (tuple, list)) else ()


_CALLS: Final[Mapping[str, Callable[[Arguments], object]]] = {
    "torch._utils._rebuild_tensor": _strided,
    "torch._utils._rebuild_tensor_v2": _strided,
    "torch._utils._rebuild_qtensor": _scaled,
    "torch._utils._rebuild_tensor_v3": _strided_typed,
    "torch._utils._rebuild_parameter": _same,
    "torch._utils._rebuild_parameter_with_state": _same,
    "torch._utils._rebuild_nested_tensor": _same,
    "torch.nn.parameter.Parameter": _same,
    "torch.nn.parameter.Buffer": _same,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch._utils._rebuild_sparse_csr_tensor": _sparse,
    "torch._utils._rebuild_meta_tensor_no_storage": _bare,
    "torch._utils._rebuild_wrapper_subclass": _wrapped,
    "torch._utils._rebuild_device_tensor_from_numpy": _from_device,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _from_device,
    "torch._utils._rebuild_xla_tensor": _from_device,
    "torch.Size": _size,
    "collections.OrderedDict": _table,
    "collections.defaultdict": _table,
    "collections.Counter": _table,
    "builtins.dict": _table,
    "builtins.list": _items,
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "builtins.tuple": _items,
    "collections.deque": _items,
}
