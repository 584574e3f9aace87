"""How PyTorch spells a dtype in its messages: it has several ways, and a message is recognised in the right one only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch

_SCALAR: Final[Mapping[str, str]] = {
    "float16": "Half",
    "bfloat16": "BFloat16",
    "float32": "Float",
    "float64": "Double",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "bool": "Bool",
    "complex32": "ComplexHalf",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}
"""The narrow formats are called as in Python, with a capital letter: Float8_e4m3fn."""

_C10: Final[Mapping[str, str]] = {
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "int8": "signed char",
    "uint8": "unsigned char",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "bool": "bool",
    "complex32": "c10::complex<c10::Half>",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}
"""As the compiler prints a C++ type on Linux and macOS; Windows puts `struct` before c10::Half."""

_CPP: Final[Mapping[str, str]] = {
    "int64": "int64_t",
    "int16": "int16_t",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
}
"""As the source of PyTorch writes it, where that is not as the compiler prints it."""

_OLD: Final = frozenset({"Half", "Float", "Double", "Long", "Int", "Short", "Char", "Byte"})
"""The types that had a tensor class of their own: torch.cuda.HalfTensor."""


@dataclass(frozen=True, slots=True)
class Word:
    """One dtype, to be put into a message: `{weight.scalar}`. device: as in torch.device."""

    dtype: torch.dtype
    device: str

    @property
    def plain(self) -> str:
        """float16"""
        return str(self.dtype).removeprefix("torch.")

    @property
    def torch(self) -> str:
        """torch.float16"""
        return str(self.dtype)

    @property
    def scalar(self) -> str:
        """Half, BFloat16, Float"""
        return _SCALAR.get(self.plain, self.plain.capitalize())

    @property
    def c10(self) -> str:
        """c10::Half, c10::BFloat16, float, long int"""
        return _C10.get(self.plain, f"c10::{self.scalar}")

    @property
    def cpp(self) -> str:
        """c10::Half, c10::BFloat16, float, int64_t"""
        return _CPP.get(self.plain, self.c10)

    @property
    def tensor(self) -> str:
        """torch.HalfTensor, torch.cuda.HalfTensor, CPUBFloat16Type, MPSHalfType: device and dtype in one."""
        if self.scalar in _OLD and self.device in ("cpu", "cuda"):
            return f"torch.{'cuda.' if self.device == 'cuda' else ''}{self.scalar}Tensor"
        return f"{self.device.upper()}{self.scalar}Type"
