"""How PyTorch spells a dtype in its messages: it has five ways, and a message is only recognised in the right one."""

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
"""float8_e4m3fn is Float8_e4m3fn, and so are the other narrow formats."""

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
"""As GCC and Clang print a C++ type."""

_OLD: Final = frozenset({"Half", "Float", "Double", "Long", "Int", "Short", "Char", "Byte"})
"""The types that had a class of their own: torch.cuda.HalfTensor."""


@dataclass(frozen=True, slots=True)
class Word:
    """One dtype, to be put into a message: `{weight.scalar}`.

    device: as torch prints it in the names of its old tensor classes, in small letters.
    """

    dtype: torch.dtype
    device: str

    @property
    def plain(self) -> str:
        """float16: without `torch.`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def torch(self) -> str:
        """torch.float16: as Python prints it."""
        return str(self.dtype)

    @property
    def scalar(self) -> str:
        """Half, BFloat16, Float."""
        return _SCALAR.get(self.plain, self.plain.capitalize())

    @property
    def c10(self) -> str:
        """c10::Half, c10::BFloat16, float."""
        return _C10.get(self.plain, f"c10::{self.scalar}")

    @property
    def tensor(self) -> str:
        """torch.HalfTensor, torch.cuda.HalfTensor, CPUBFloat16Type: device and dtype in one."""
        if self.scalar not in _OLD:
            return f"{self.device.upper()}{self.scalar}Type"
        return f"torch.{self.scalar}Tensor" if self.device == "cpu" else f"torch.{self.device}.{self.scalar}Tensor"
