"""Which dtype each tensor is stored as: rows of pattern and dtype, the first that matches a key decides, as in a Store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ...dtypes import BY_NAME, DType
from ...edits import Take
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...subjects import Component, Request, Tensor
from .wish import Wish


@dataclass(frozen=True)
class Recipe:
    """rows: pattern and safetensors dtype name, "" for as it is. kept: what the library's keep list names, none without one."""

    rows: tuple[tuple[str, str], ...]
    kept: tuple[str, ...] = ()

    @cached_property
    def _compiled(self) -> list[tuple[re.Pattern[str], str]]:
        return [(re.compile(pattern), dtype) for pattern, dtype in self.rows]

    def takes(self, source: str) -> tuple[Take, ...]:
        """The same rows as parts of a Store, for the tensors of one file."""
        return tuple(Take(source, pattern, dtype) for pattern, dtype in self.rows)

    def _named(self, key: str) -> str:
        return next((dtype for pattern, dtype in self._compiled if pattern.search(key)), "")

    def dtype_of(self, tensor: Tensor) -> DType:
        """What a tensor is stored as. Only floats of 16 bits and more are cast, as by a Take."""
        named = self._named(tensor.key) if tensor.dtype.is_wide else ""
        return BY_NAME[named] if named else tensor.dtype

    def keeps(self, tensor: Tensor) -> bool:
        """True for a tensor that is stored in fp32 because of the keep list."""
        return bool(self.kept) and tensor.dtype.is_wide and self._named(tensor.key) == "F32"

    def nbytes(self, tensor: Tensor) -> int:
        """Bytes that a tensor takes afterwards."""
        return self.dtype_of(tensor).nbytes(tensor.elements)


def recipe_of(component: Component, tensors: Iterable[Tensor], wish: Wish, request: Request, known: Knowledge) -> Recipe:
    """The rows for the tensors of a component that has its files to itself.

    The measure is what the library would store: from_pretrained(torch_dtype=...) and save_pretrained.
    """
    names = keep_list(component, wish.dtype, request, known) if wish.keep else ()
    kept = ((matcher(component, names, request).pattern, "F32"),) if names else ()
    return Recipe((*untouched(tensors), *kept, ("", wish.dtype.name)), names)


def untouched(tensors: Iterable[Tensor]) -> tuple[tuple[str, str], ...]:
    """The row for floats too narrow to compute in: packed numbers, which mean nothing in another format."""
    narrow = [tensor.key for tensor in tensors if tensor.dtype.is_float and not tensor.dtype.is_wide]
    return ((exactly(narrow), ""),) if narrow else ()


def exactly(keys: Iterable[str]) -> str:
    """A pattern that finds these keys and no others."""
    return "^(?:" + "|".join(map(re.escape, keys)) + ")$"
