"""Who does the arithmetic: torch where it is at hand or worth its start, numpy otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, Literal, Protocol

from ...dtypes import DType
from ..refusal import Refusal
from .tally import Array

Name = Literal["numpy", "torch"]
WORTH: Final = 4 << 30
"""Bytes to round to float16 from which on the 2 s that torch takes to start are regained; at all else numpy is about as fast."""


class Engine(Protocol):
    """What casts a piece of a tensor, of at most `most` numbers."""

    most: int

    def bound(self, held: Array, made: Array, source: DType, target: DType) -> Callable[[], None]:
        """What casts the bytes that are in `held` then into `made`."""


def chosen(nbytes: int) -> Name:
    """The engine where so many bytes are to be rounded to float16."""
    if "torch" in sys.modules:
        return "torch"
    return "torch" if nbytes >= WORTH and find_spec("torch") else "numpy"


def engine(name: Name) -> Engine:
    """The engine of that name."""
    if name == "torch":
        from .by_torch import Torch

        return Torch()
    from .by_numpy import Numpy

    return Numpy()


def need_numpy() -> None:
    """errors: Refusal when numpy is not installed; it counts what torch casts."""
    if find_spec("numpy") is None:
        raise Refusal("numbers are cast with numpy, which is not installed", "pip install numpy")
