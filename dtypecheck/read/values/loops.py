"""One pass over a block in place of many: what a loop does with 64 bytes of numbers at a time, in the assembly of LLVM.

What loops count are the counts of `casts`, told by the same thresholds. Few numbers are too small to be normal ones in fp16, so
that what tells more about those is skipped where there are none among the 64 bytes. `V` and `M` stand for the types of a vector
of numbers, read as integers, and of marks, one a number; `W` and `F` for the same as integers of 32 bits and as floats; `V#7` for
a vector of sevens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ...dtypes import BF16, F16, F32, DType
from .patterns import NORMAL, TINY, magnitude
from .tally import Tally


@dataclass(frozen=True, slots=True)
class Loop:
    """What is done with a vector `%bits` of numbers of so many bits. always: gives `%size`, their magnitudes.

    small: what is done as well where any of the marks `%few` is set. counts, small_counts: the marks that are counted.
    """

    width: int
    always: str
    counts: tuple[str, ...] = ()
    small: str = ""
    small_counts: tuple[str, ...] = ()


_SIZE: Final = {32: "%size = and V %bits, V#2147483647", 16: "%size = and V %bits, V#32767"}
_LESS: Final = "%less = sub V %size, V#1"
"""Zero becomes the largest there is, so that `less < limit` says of a number that it is not zero, and at most `limit`."""
_BELOW16: Final = magnitude(NORMAL[F16]) - 1
"""The largest magnitude that is no normal number in fp16."""


def _moved(wide: str) -> str:
    """Gives `%moved`, of what is no multiple of 2^-24: from a half to one, floats are that far apart. wide: magnitudes."""
    return f"""
        %float = bitcast {wide} to F
        %up = fadd F %float, F#0.5
        %down = fsub F %up, F#0.5
        %stepped = bitcast F %down to W
        %moved = icmp ne {wide}, %stepped
    """


TOP: Final = {F32: Loop(32, _SIZE[32]), BF16: Loop(16, _SIZE[16]), F16: Loop(16, _SIZE[16])}
"""By dtype: the largest magnitude alone, which is what a quick look asks for."""
_OF_F32: Final = Loop(
    32,
    f"""
        {_SIZE[32]}
        %lower = and V %bits, V#{0xFFFF}
        %low = icmp ne V %lower, V#0
        %lower16 = and V %bits, V#{0x1FFF}
        %low16 = icmp ne V %lower16, V#0
        {_LESS}
        %few = icmp ult V %less, V#{magnitude(2.0**-14) - 1}
    """,
    ("%low", "%low16"),
    _moved("W %size")
    + f"""
        %off16 = and M %few, %moved
        %again16 = and M %few, %low16
        %zero16 = icmp ult V %less, V#{magnitude(TINY[F16])}
        %below16 = icmp ult V %less, V#{_BELOW16}
        %zero = icmp ult V %less, V#{magnitude(TINY[BF16])}
        %below = icmp ult V %less, V#{magnitude(NORMAL[BF16]) - 1}
    """,
    ("%off16", "%again16", "%zero16", "%below16", "%zero", "%below"),
)
_OF_BF16: Final = Loop(
    16,
    f"""
        {_SIZE[16]}
        {_LESS}
        %few = icmp ult V %less, V#{_BELOW16 >> 16}
    """,
    (),
    """
        %extended = zext V %size to W
        %wide = shl W %extended, W#16
    """
    + _moved("W %wide")
    + f"""
        %off16 = and M %few, %moved
        %zero16 = icmp ult V %less, V#{magnitude(TINY[F16]) >> 16}
        %telling = icmp ult V %less, V#{(magnitude(2.0**-17) >> 16) - 1}
    """,
    ("%off16", "%few", "%zero16", "%telling"),
)
_OF_F16: Final = Loop(
    16,
    f"""
        {_SIZE[16]}
        %digits9 = icmp ugt V %size, V#{0xFF}
        %digits10 = icmp ugt V %size, V#{0x1FF}
        %normal = icmp ugt V %size, V#{0x3FF}
        %lower9 = select M %digits9, V V#1, V V#0
        %lower10 = select M %digits10, V V#3, V %lower9
        %lower = select M %normal, V V#7, V %lower10
        %lost = and V %size, %lower
        %low = icmp ne V %lost, V#0
    """,
    ("%low",),
)
CASTS: Final = {F32: _OF_F32, BF16: _OF_BF16, F16: _OF_F16}
"""By dtype: what a closer look asks for."""


def told(dtype: DType, elements: int, sums: Sequence[int], tally: Tally) -> None:
    """Count what the casts do to a block that a loop of `CASTS` has gone over. sums: its counts, then its small counts."""
    if dtype is F32:
        low, low16, off16, again16, zero16, below16, zero, below = sums
        tally.narrowed(BF16, 0, zero, below - zero, low)
        tally.narrowed(F16, 0, zero16, below16 - zero16, low16 - again16 + off16)
    elif dtype is BF16:
        off16, below16, zero16, telling = sums
        tally.narrowed(F16, 0, zero16, below16 - zero16, off16)
        if tally.f16:  # as in `past`
            tally.looked += elements
            tally.telling += telling
            tally.f16 = not off16
    else:
        tally.narrowed(BF16, 0, 0, 0, *sums)
