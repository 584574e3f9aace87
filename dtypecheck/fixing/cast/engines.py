"""Who does the arithmetic: torch where it is at hand or worth its start, numpy otherwise."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final, Literal, Protocol

from ...dtypes import DType
from ..refusal import Refusal
from .tally import Array

Name = Literal["numpy", "torch"]
WORTH: Final = 4 << 30
"""Bytes to round to float16 from which on the 2 s that torch takes to start are regained; at all else numpy is about as fast."""


class Engine(Protocol):
    """What casts a piece of a tensor. asks: whether it must be told of special numbers; if not, `special` means nothing."""

    asks: bool

    def cast(self, held: Array, made: Array, source: DType, target: DType, special: bool) -> None:
        """Cast the bytes `held` into the bytes `made`.

        special: some number is NaN, inf or too large for the target, so that the ways that are right for all others are not.
        """


def chosen(nbytes: int) -> Name:
    """The engine where so many bytes are to be rounded to float16."""
    if "torch" in sys.modules:
        return "torch"
    return "torch" if nbytes >= WORTH and find_spec("torch") else "numpy"


def engine(name: Name, most: int) -> Engine:
    """The engine of that name, for pieces of at most `most` numbers. errors: Refusal when it is not installed."""
    if name == "torch":
        from .by_torch import Torch

        return Torch()
    from .by_numpy import Numpy

    return Numpy(most)


def need_numpy() -> None:
    """errors: Refusal when numpy is not installed; it counts what torch casts."""
    if find_spec("numpy") is None:
        raise Refusal("numbers are cast with numpy, which is not installed", "pip install numpy")
