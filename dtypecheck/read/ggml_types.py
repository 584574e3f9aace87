"""The number formats of ggml by their number in a GGUF file: name, elements a block, bytes a block, and our dtype.

Quantised formats mix scales and packed numbers in a block, so that no dtype fits; they count as bytes (U8).
source: ggml/include/ggml.h and gguf-py/gguf/constants.py of llama.cpp (gguf 0.19). The numbers 4, 5, 31 to 33 and 36 to 38 are
formats that were given up (Q4_2, Q4_3, and the repacked Q4_0_4_4, Q4_0_4_8, Q4_0_8_8, IQ4_NL_4_4, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..dtypes import BF16, F16, F32, F64, I8, I16, I32, I64, U8, DType


class GgmlType(NamedTuple):
    """One format. block: elements that are packed together; nbytes: what such a block takes."""

    name: str
    block: int
    nbytes: int
    dtype: DType = U8


GGML_TYPES: Final[Mapping[int, GgmlType]] = {
    0: GgmlType("F32", 1, 4, F32),
    1: GgmlType("F16", 1, 2, F16),
    2: GgmlType("Q4_0", 32, 18),
    3: GgmlType("Q4_1", 32, 20),
    6: GgmlType("Q5_0", 32, 22),
    7: GgmlType("Q5_1", 32, 24),
    8: GgmlType("Q8_0", 32, 34),
    9: GgmlType("Q8_1", 32, 40),
    10: GgmlType("Q2_K", 256, 84),
    11: GgmlType("Q3_K", 256, 110),
    12: GgmlType("Q4_K", 256, 144),
    13: GgmlType("Q5_K", 256, 176),
    14: GgmlType("Q6_K", 256, 210),
    15: GgmlType("Q8_K", 256, 292),
    16: GgmlType("IQ2_XXS", 256, 66),
    17: GgmlType("IQ2_XS", 256, 74),
    18: GgmlType("IQ3_XXS", 256, 98),
    19: GgmlType("IQ1_S", 256, 50),
    20: GgmlType("IQ4_NL", 32, 18),
    21: GgmlType("IQ3_S", 256, 110),
    22: GgmlType("IQ2_S", 256, 82),
    23: GgmlType("IQ4_XS", 256, 136),
    24: GgmlType("I8", 1, 1, I8),
    25: GgmlType("I16", 1, 2, I16),
    26: GgmlType("I32", 1, 4, I32),
    27: GgmlType("I64", 1, 8, I64),
    28: GgmlType("F64", 1, 8, F64),
    29: GgmlType("IQ1_M", 256, 56),
    30: GgmlType("BF16", 1, 2, BF16),
    34: GgmlType("TQ1_0", 256, 54),
    35: GgmlType("TQ2_0", 256, 66),
    39: GgmlType("MXFP4", 32, 17),
    40: GgmlType("NVFP4", 64, 36),
    41: GgmlType("Q1_0", 128, 18),
}
