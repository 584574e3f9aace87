"""The kinds of demand an operator makes of its tensors' dtypes.

A kind looks at a call and says None: met by these dtypes whatever else is true of the tensors; MET: met this time; or, where
it is broken, the words that its message needs besides the arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensor

from ...knowledge import Row

Given = Mapping[str, Any]
"""The arguments of a call by their names in its schema."""
Words = Mapping[str, Any]
"""Words for a message: a dtype, or text."""

MET: Final[Words] = {"met": True}

_F8: Final = tuple(
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
    if hasattr(torch, name)
)
_DTYPES: Final[Mapping[str, tuple[torch.dtype, ...]]] = {
    "F64": (torch.float64,),
    "F32": (torch.float32,),
    "F16": (torch.float16,),
    "BF16": (torch.bfloat16,),
    "F8": _F8,
    "F8_E4M3": (torch.float8_e4m3fn,),
    "F8_E5M2": (torch.float8_e5m2,),
    "I64": (torch.int64,),
    "I32": (torch.int32,),
    "U8": (torch.uint8,),
    "BOOL": (torch.bool,),
    "C64": (torch.complex64,),
    "HALF": (torch.float16, torch.bfloat16),
    "INT": (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8),
}


def named(names: Sequence[str]) -> frozenset[torch.dtype]:
    """The dtypes that a row lists; F8, INT and HALF stand for several."""
    return frozenset(dtype for name in names for dtype in _DTYPES[name])


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensor, or those of a list."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        yield from (item for item in value if isinstance(item, torch.Tensor))


def _dtype(given: Given, name: str) -> torch.dtype | None:
    value = given.get(name)
    return value.dtype if isinstance(value, torch.Tensor) else None


def _same(row: Row, given: Given) -> Words | None:
    """`same = [a, b]`: these two have one dtype."""
    first, second = (_dtype(given, name) for name in row["same"])
    return None if first is None or second is None or first == second else {}


def _lacks(row: Row, given: Given) -> Words | None:
    """`lacks = [dtypes], of = a`: no kernel takes these. `{dtype}` is the one."""
    return _foreign(row["of"], given, lambda dtype: dtype in named(row["lacks"]))


def _takes(row: Row, given: Given) -> Words | None:
    """`takes = [dtypes], of = a`: the kernels take these only. `{dtype}` is the other one."""
    return _foreign(row["of"], given, lambda dtype: dtype not in named(row["takes"]))


def _foreign(names: str | Sequence[str], given: Given, refused: Callable[[torch.dtype], bool]) -> Words | None:
    """Of one argument, or of what several are promoted to."""
    if isinstance(names, str):
        return next(({"dtype": tensor.dtype} for tensor in tensors(given.get(names)) if refused(tensor.dtype)), None)
    found = [value for name in names if isinstance(value := given.get(name), (torch.Tensor, int, float))]
    if not any(refused(value.dtype) for value in found if isinstance(value, torch.Tensor)):
        return MET
    common = _common(found)
    return {"dtype": common} if isinstance(common, torch.dtype) and refused(common) else MET


def _mixed(row: Row, given: Given) -> Words | None:
    """`mixed = [input, weight, bias, ...]`: all one dtype, or half numbers with fp32 parameters. `fault` picks the clause.

    The first parameter decides whether a call is mixed; where it is not, the others are read as what the input is.
    """
    first, *names = row["mixed"]
    base = _dtype(given, first)
    dtypes = [found for name in names if (found := _dtype(given, name)) is not None]
    if base is None or not dtypes:
        return None
    fault = row["fault"]
    if dtypes[0] == base:
        other = next((found for found in dtypes if found != base), None)
        return {"found": other} if fault == "other" and other is not None else None
    if any(found != torch.float32 for found in dtypes):
        return {} if fault == "parameter" else None
    return {} if fault == "input" and base not in (torch.float16, torch.bfloat16, *_F8) else None


def _promotes(row: Row, given: Given) -> Words | None:
    """`promotes = [a, b]`: there is a dtype that holds both; there is none for fp8 and another. `{reason}` says so."""
    found = [tensor for name in row["promotes"] for tensor in tensors(given.get(name))]
    dtypes = {tensor.dtype for tensor in found}
    if len(dtypes) < 2 or not any(dtype in _F8 for dtype in dtypes):
        return None
    common = _common(found)
    return {"reason": common} if isinstance(common, str) else MET


def _common(found: Sequence[Any]) -> torch.dtype | str:
    """What tensors and numbers are promoted to, or why they are not."""
    common: torch.dtype = torch.result_type(found[0], found[0])
    try:
        for place, value in enumerate(found[1:]):
            common = torch.result_type(found[0], value) if place == 0 else torch.promote_types(common, value.dtype)
    except RuntimeError as fault:
        return str(fault)
    return common


def _holds(row: Row, given: Given) -> Words | None:
    """`holds = [self, other]`: the first, which is written into, can hold what both are promoted to: `{result}`."""
    own = _dtype(given, row["holds"][0])
    if own is None or own.is_floating_point or own.is_complex:
        return None
    try:
        result = torch.result_type(given[row["holds"][0]], given[row["holds"][-1]])
    except (RuntimeError, KeyError, TypeError):
        return MET
    if row.get("true_division") and not result.is_floating_point and not result.is_complex:
        result = torch.get_default_dtype()
    return MET if torch.can_cast(result, own) else {"result": result}


def _range(row: Row, given: Given) -> Words | None:
    """`range = [numbers], of = a`: each number lies between the smallest and the largest of the dtype, or is infinite.

    `promotes_numbers`: an integer tensor becomes one of fp32 by a fraction.
    """
    asked = given.get("dtype")
    dtype = asked if isinstance(asked, torch.dtype) else _dtype(given, row["of"])
    if dtype is None or dtype == torch.bool or dtype.is_complex:
        return None
    numbers = [given.get(name) for name in row["range"]]
    if row.get("promotes_numbers") and not dtype.is_floating_point and any(isinstance(number, float) for number in numbers):
        return MET
    if any(isinstance(number, (int, float)) and _overflows(number, dtype) for number in numbers):
        return {"dtype": dtype}
    return MET


def _overflows(number: float, dtype: torch.dtype) -> bool:
    # a negative number wraps around in a type without a sign
    limits = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    if math.isnan(number):
        return not dtype.is_floating_point
    if math.isinf(number):
        return not dtype.is_floating_point or dtype == torch.float8_e4m3fn
    least = limits.min or -limits.max
    return not least <= number <= limits.max


def _powers(row: Row, given: Given) -> Words | None:
    """`powers = [dtypes], of = a`: of these dtypes, only sizes that are powers of two. `{sizes}` are those transformed."""
    if _dtype(given, row["of"]) not in named(row["powers"]):
        return None
    sizes = [given[row["of"]].shape[place] for place in given["dim"]]
    return {"sizes": sizes} if any(size & (size - 1) for size in sizes) else MET


def _absent(row: Row, given: Given) -> Words | None:
    """`absent = [dtypes]`: nothing on the device has these.

    A tensor without numbers is on the device; one that has some and meets it in a call was moved there, a lone number apart.
    """
    refused = named(row["absent"])
    found = [tensor for value in given.values() for tensor in tensors(value)]
    there = [tensor for tensor in found if tensor.dtype in refused]
    if not there and given.get("dtype") not in refused:
        return None
    if not any(isinstance(tensor, FakeTensor) for tensor in found):
        return MET
    return {} if given.get("dtype") in refused or any(tensor.dim() for tensor in there) else MET


KINDS: Final[Mapping[str, Callable[[Row, Given], Words | None]]] = {
    "same": _same,
    "lacks": _lacks,
    "takes": _takes,
    "mixed": _mixed,
    "promotes": _promotes,
    "holds": _holds,
    "range": _range,
    "powers": _powers,
    "absent": _absent,
}
