"""A number format and what it can hold: names, aliases, ranges, promotion.

Knows no torch. `parse` stands at one edge (every alias a person or a file may write), `DType.short` at the other
(what people read: fp16, bf16, fp32); in between, and in JSON, a dtype is called by its safetensors name (F16, BF16, F32).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, Literal

Kind = Literal["float", "signed", "unsigned", "bool", "complex", "scale"]


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """One number format. Compared by identity: there is one instance a format.

    name: as safetensors and our JSON write it; short: as people read it; torch: attribute of the torch module, "" if none.
    bits: per element; exponent and mantissa: bits of the encoding (mantissa without the hidden one); largest: the largest
    finite value; smallest: the smallest positive value, subnormals included, 0 for formats without an exponent.
    """

    name: str
    short: str
    torch: str
    kind: Kind
    bits: int
    exponent: int = 0
    mantissa: int = 0
    largest: float = 0.0
    smallest: float = 0.0
    aliases: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_float(self) -> bool:
        """True for the formats that a floating point cast touches (not integers, bools, complex or bare scales)."""
        return self.kind == "float"

    @property
    def is_half(self) -> bool:
        """True for the two 16-bit formats that pipelines compute in."""
        return self.is_float and self.bits == 16

    @property
    def is_wide(self) -> bool:
        """True for the formats a network can compute in at all (16 bits and more), False for packed storage formats."""
        return self.is_float and self.bits >= 16

    def nbytes(self, elements: int) -> int:
        """Bytes that `elements` numbers take, rounded up for formats narrower than a byte."""
        return (elements * self.bits + 7) // 8

    def __str__(self) -> str:
        return self.short

    def __reduce__(self) -> str:
        return self.name


def _float(
    name: str, short: str, torch: str, exponent: int, mantissa: int, largest: float, *aliases: str, bias: int | None = None
) -> DType:
    """A floating format; bias: of the exponent, where it is not the one of IEEE 754."""
    smallest = math.ldexp(1.0, 1 - (bias or (1 << (exponent - 1)) - 1) - mantissa)
    return DType(name, short, torch, "float", 1 + exponent + mantissa, exponent, mantissa, largest, smallest, aliases)


def _whole(bits: int, signed: bool) -> DType:
    letter, word = ("I", "int") if signed else ("U", "uint")
    largest = float(2 ** (bits - signed) - 1)
    extra = {"I64": ("long",), "I32": ("int",), "I16": ("short",), "I8": ("char",), "U8": ("byte",)}.get(f"{letter}{bits}", ())
    return DType(
        f"{letter}{bits}",
        f"{word}{bits}",
        f"{word}{bits}",
        "signed" if signed else "unsigned",
        bits,
        largest=largest,
        aliases=extra,
    )


F64: Final = _float("F64", "fp64", "float64", 11, 52, 1.7976931348623157e308, "double")
F32: Final = _float("F32", "fp32", "float32", 8, 23, 3.4028234663852886e38, "float", "single", "full")
F16: Final = _float("F16", "fp16", "float16", 5, 10, 65504.0, "half")
BF16: Final = _float("BF16", "bf16", "bfloat16", 8, 7, 3.3895313892515355e38, "bfloat")
F8_E4M3: Final = _float("F8_E4M3", "fp8_e4m3", "float8_e4m3fn", 4, 3, 448.0, "fp8", "float8", "float8_e4m3")
F8_E5M2: Final = _float("F8_E5M2", "fp8_e5m2", "float8_e5m2", 5, 2, 57344.0)
F8_E4M3FNUZ: Final = _float("F8_E4M3FNUZ", "fp8_e4m3fnuz", "float8_e4m3fnuz", 4, 3, 240.0, bias=8)
F8_E5M2FNUZ: Final = _float("F8_E5M2FNUZ", "fp8_e5m2fnuz", "float8_e5m2fnuz", 5, 2, 57344.0, bias=16)
F8_E8M0: Final = DType("F8_E8M0", "fp8_e8m0", "float8_e8m0fnu", "scale", 8, 8, 0, 2.0**127, 2.0**-127)
F6_E2M3: Final = _float("F6_E2M3", "fp6_e2m3", "", 2, 3, 7.5)
F6_E3M2: Final = _float("F6_E3M2", "fp6_e3m2", "", 3, 2, 28.0)
F4: Final = _float("F4", "fp4", "float4_e2m1fn_x2", 2, 1, 6.0, "f4_e2m1", "float4_e2m1")
I64: Final = _whole(64, True)
I32: Final = _whole(32, True)
I16: Final = _whole(16, True)
I8: Final = _whole(8, True)
U64: Final = _whole(64, False)
U32: Final = _whole(32, False)
U16: Final = _whole(16, False)
U8: Final = _whole(8, False)
BOOL: Final = DType("BOOL", "bool", "bool", "bool", 8, largest=1.0)
C64: Final = DType("C64", "complex64", "complex64", "complex", 64, 8, 23, F32.largest, F32.smallest, ("cfloat",))
C128: Final = DType("C128", "complex128", "complex128", "complex", 128, 11, 52, F64.largest, F64.smallest, ("cdouble",))

ALL: Final = (
    F64, F32, F16, BF16, F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ, F8_E8M0, F6_E2M3, F6_E3M2, F4,
    I64, I32, I16, I8, U64, U32, U16, U8, BOOL, C64, C128,
)  # fmt: skip
BY_NAME: Final = {dtype.name: dtype for dtype in ALL}
_BY_ALIAS: Final = {
    alias.lower(): dtype for dtype in ALL for alias in (dtype.name, dtype.short, dtype.torch, *dtype.aliases) if alias
} | {alias.replace("fp", "f").lower(): dtype for dtype in ALL for alias in (dtype.short,) if alias.startswith("fp")}
USUAL: Final = (F16, BF16, F32)
"""The dtypes people ask a pipeline for, in the order of how often they do."""


def parse(text: str) -> DType | None:
    """The dtype that `text` names (float16, fp16, half, F16, torch.float16, c10::Half, ...), None if it names none."""
    word = text.strip().lower()
    for prefix in ("torch.", "struct ", "c10::", "at::", "jnp."):
        word = word.removeprefix(prefix)
    return _BY_ALIAS.get(word)


def nearest(text: str) -> str | None:
    """The alias nearest to a word that `parse` does not know, for the error message; None if nothing is near."""
    near = get_close_matches(text.strip().lower().removeprefix("torch."), _BY_ALIAS, n=1, cutoff=0.5)
    return near[0] if near else None


def can_hold(holder: DType, held: DType) -> bool:
    """True when every finite value of `held` is a value of `holder`, so that the cast loses no number.

    A real part that becomes complex loses none; a bare scale has no zero and no sign, and holds nothing else.
    """
    if holder is held or (held.kind == "bool" and holder.kind != "scale"):
        return True
    match holder.kind, held.kind:
        case ("float" | "complex", "float" | "scale"):
            return holder.largest >= held.largest and holder.mantissa >= held.mantissa and holder.smallest <= held.smallest
        case ("float" | "complex", "signed" | "unsigned"):
            return holder.mantissa + 1 >= held.bits - (held.kind == "signed") and holder.largest >= held.largest
        case ("signed", "signed") | ("unsigned", "unsigned"):
            return holder.bits >= held.bits
        case ("signed", "unsigned"):
            return holder.bits > held.bits
        case ("complex", "complex"):
            return holder.bits >= held.bits
    return False


def promote(left: DType, right: DType) -> DType | None:
    """The dtype of `left tensor + right tensor` in torch, both of one dimension or more; None where torch refuses.

    source: torch.promote_types, torch 2.13; fp8 takes part in no promotion, uint16 and wider in none but with floats.
    """
    if left is right:
        return left
    ranks = {"bool": 0, "unsigned": 1, "signed": 1, "float": 2, "complex": 3}
    if not {left.kind, right.kind} <= ranks.keys() or any(d.is_float and not d.is_wide for d in (left, right)):
        return None
    if any(d.kind == "unsigned" and d is not U8 for d in (left, right)) and not (left.is_float or right.is_float):
        return None
    low, high = sorted((left, right), key=lambda d: (ranks[d.kind], d.bits))
    if ranks[low.kind] != ranks[high.kind]:
        return C128 if high is C64 and low is F64 else high
    if {low, high} == {F16, BF16}:
        return F32
    return I16 if {low, high} == {U8, I8} else high
