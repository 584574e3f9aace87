"""The header of a safetensors file as the format's own writer lays it out, byte for byte.

Tensors lie by the rank of their dtype, highest first, then by name; the header is padded with blanks to a multiple of 8.
source: safetensors/src/tensor.rs (0.8), and the files that safetensors.torch.save_file writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from ...dtypes import BY_NAME, DType

Row = tuple[str, DType, tuple[int, ...], int]
"""Key, dtype, shape and bytes of a tensor."""
_RANKED: Final = (
    "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
    "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64",
)  # fmt: skip
RANK: Final[Mapping[DType, int]] = {BY_NAME[name]: rank for rank, name in enumerate(_RANKED)}
"""The order in which the writer sorts dtypes: wider ones have the higher rank. What is not here cannot be stored."""


def ordered(key: str, dtype: DType) -> tuple[int, bytes]:
    """What tensors are sorted by."""
    return -RANK[dtype], key.encode()


def header(rows: Iterable[Row], metadata: Mapping[str, str], always: bool = False) -> bytes:
    """Everything in front of the numbers, for tensors in the order of the file. always: name the metadata though it is empty."""
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata or always else {}
    start = 0
    for key, dtype, shape, nbytes in rows:
        table[key] = {"dtype": dtype.name, "shape": list(shape), "data_offsets": [start, start + nbytes]}
        start += nbytes
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
