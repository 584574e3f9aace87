"""Whether an exception is about dtypes that do not go together, or only has the word in it."""

from __future__ import annotations

import re
from typing import Final

import torch

from ..dtypes import parse

_WORDS: Final = re.compile(
    r"dtype(?!check)|scalar ?type|Input type|not implemented for '|same (?:data ?type|type)|Unsupported type|datatype"
    r"|without overflow|MPS framework doesn't support|Promotion for Float8|BFloat16|bfloat16|float16|c10::Half|\bHalf\b"
)
"""What the text of an exception says if it is about dtypes."""
_RAISED: Final = (RuntimeError, TypeError, ValueError, AssertionError)
"""What dtypes that do not go together end in: never in a name, a module or a file that is not there."""
_CALLED: Final = re.compile(
    r"NoneType|(?:unexpected|invalid) keyword argument|required (?:positional|keyword-only) arguments?|positional arguments? but|"
    r"multiple values for|object is not |unsupported operand type\(s\)|not supported between instances|"
    r"an invalid combination of arguments|argument '(?!d?type')\w+'.* must be "
)
"""What Python and torch say of a call that is wrong in itself; torch then lists the arguments, `dtype` among them."""
_UNKNOWN: Final = re.compile(r"module 'torch' has no attribute '(?:torch\.)?(\w+)'")


def about_dtypes(fault: BaseException) -> bool:
    """True for an exception that says that dtypes do not go together, or that something has no such dtype.

    "'NoneType' object has no attribute 'dtype'" does not: something is missing there, whatever dtype it would have.
    """
    if isinstance(fault, KeyError):
        return bool(fault.args) and isinstance(fault.args[0], torch.dtype)
    if isinstance(fault, AttributeError):
        unknown = _UNKNOWN.search(str(fault))
        return unknown is not None and parse(unknown[1]) is not None
    if not isinstance(fault, _RAISED) or not _WORDS.search(str(fault)):
        return False
    if isinstance(fault, TypeError) and _CALLED.search(str(fault)):
        return False
    return fault.__cause__ is None or isinstance(fault.__cause__, _RAISED) or about_dtypes(fault.__cause__)
