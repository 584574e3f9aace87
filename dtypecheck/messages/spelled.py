"""How messages spell a dtype: Half, c10::Half, struct c10::Half, torch.cuda.HalfTensor, CPUBFloat16Type, kFloat16, f16."""

from __future__ import annotations

import re
from typing import Final

from ..dtypes import BOOL, BY_NAME, DType, parse

_WHOLE: Final = r"(?:(?:unsigned|signed|long|short) )*(?:int|char|long|short)\b(?: (?:int|char|unsigned)\b)*"
"""The whole numbers of C++, which are called by several words."""
TOKEN: Final = rf"(?:(?:struct|class) )?(?:{_WHOLE}|[a-z][\w:.<>]*)"
"""A dtype in lower case, loosely: whether it is one, `spelled` says."""

_OTHERS: Final = {
    "int64_t": "I64", "int32_t": "I32", "int16_t": "I16", "int8_t": "I8",
    "uint64_t": "U64", "uint32_t": "U32", "uint16_t": "U16", "uint8_t": "U8",
    "long int": "I64", "long long": "I64", "long long int": "I64", "__int64": "I64", "short int": "I16", "signed char": "I8",
    "unsigned char": "U8", "unsigned short": "U16", "short unsigned int": "U16", "unsigned int": "U32",
    "long unsigned int": "U64", "unsigned long": "U64",
    "complexfloat": "C64", "complexdouble": "C128", "complex<float>": "C64", "complex<double>": "C128",
}  # fmt: skip
_UNHELD: Final = ("complexhalf", "complex<half>", "complex32", "qint8", "quint8", "qint32", "undefined")
"""Dtypes of torch that no weight file holds: they are known as such, and have no DType."""
_DEVICES: Final = ("cuda", "mps", "xpu", "hpu", "cpu", "xla", "npu", "meta")
_LEGACY: Final = re.compile(rf"(?:torch\.)?(?:(?P<device>{'|'.join(_DEVICES)})\.)?(?:sparse\.)?(?P<name>\w+)tensor")
_TYPED: Final = re.compile(rf"(?P<device>{'|'.join(_DEVICES)})(?P<name>\w+)type")


def spelled(text: str) -> tuple[DType | None, str] | None:
    """The dtype that a word of a message names and the device in it, "" if it tells none; None if it is no dtype at all.

    The dtype is None where torch has one that no weight file can hold.
    """
    word = " ".join(text.lower().split()).strip(" .,:;()'\"`")
    device = ""
    if match := _LEGACY.fullmatch(word) or _TYPED.fullmatch(word):
        word, device = match["name"], match["device"] or "cpu"
    for prefix in ("struct ", "class ", "std::", "torch.", "c10::", "at::", "np.", "numpy."):
        word = word.removeprefix(prefix)
    word = word.replace("c10::", "")
    if word in _UNHELD:
        return None, device
    dtype = BY_NAME.get(_OTHERS.get(word, "")) or parse(word) or (parse(word[1:]) if word.startswith("k") else None)
    if dtype is None and word == "boolean":
        dtype = BOOL
    return (dtype, device) if dtype else None
