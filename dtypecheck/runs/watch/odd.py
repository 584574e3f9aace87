"""The part of a model that has another dtype than all around it: cast by hand, or put in place of another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...dtypes import F32, DType
from ...subjects.shown import Crash
from ..modules import dtype_of
from . import keeps
from .names import Names, Root
from .story import Adapter, Story, remedy, why


@dataclass(frozen=True, slots=True)
class Odd:
    """A part whose parameters all have one dtype, in a root that has another. path: below the root."""

    root: Root
    path: str
    module: Any
    dtype: DType
    rest: DType

    @property
    def name(self) -> str:
        """What the script can call it."""
        root = self.root.name if self.root.is_component or not self.root.variable else ""
        return ".".join(word for word in (self.root.variable, root, self.path) if word)


def odd_part(root: Root | None, path: str, dtype: DType, names: Names) -> Odd | None:
    """The outermost part around a module that has this dtype throughout; None where most of the root has it, or nobody knows.

    path: of the module, as people are told it.
    """
    whole = root.module() if root is not None else None
    if root is None or whole is None:
        return None
    parts = dict(whole.named_modules())
    below = next((key for key in parts if key and names.below(root, key) == path), None)
    rest = _most(whole)
    if below is None or rest is None or rest is dtype or not (rest.is_wide and dtype.is_wide):
        return None
    words = below.split(".")
    around = [".".join(words[:end]) for end in range(1, len(words) + 1)]
    found = next((key for key in around if key in parts and _only(parts[key]) is dtype), None)
    return Odd(root, found, parts[found], dtype, rest) if found else None


def told_of(odd: Odd, crash: Crash, stories: Callable[[Any], Story | None]) -> Crash | None:
    """The crash with why that part differs and what to do; None where it is meant to: an adapter, a keep list of the class."""
    whole, own = stories(odd.root.module()), stories(odd.module)
    if isinstance(whole.cause(odd.dtype) if whole else None, Adapter) or _kept(odd):
        return None
    known = own if own and (whole is None or own.cause(odd.dtype) != whole.cause(odd.dtype)) else None
    story = replace(known, name=odd.name) if known else None
    said = why(story, odd.dtype, odd.rest) if story else ""
    text = f"{odd.name} is in {odd.dtype.short}, the rest of {odd.root.name} in {odd.rest.short}"
    todo = remedy(story, odd.dtype, odd.rest) if story else ""
    text += f": it was {said}" if said else ""
    return replace(crash, why=text, remedy=todo or f"cast it like the rest: {_python(odd.name)}.to(torch.{odd.rest.torch})")


def _python(path: str) -> str:
    """A path as Python reads it: layers[0] for layers.0."""
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", path)


def _kept(odd: Odd) -> bool:
    """Whether the class keeps that part in float32."""
    names = keeps.listed(odd.root.module(), odd.rest) if odd.dtype is F32 else ()
    return any(f".{name}." in f".{odd.path}." for name in names)


def _floats(module: torch.nn.Module) -> Counter[DType]:
    """How many parameters have each dtype: tensors, not elements, of which an embedding may hold most."""
    return Counter(dtype_of(it) for it in module.parameters() if it.is_floating_point())


def _most(module: torch.nn.Module) -> DType | None:
    return next((dtype for dtype, _ in _floats(module).most_common(1)), None)


def _only(module: torch.nn.Module) -> DType | None:
    found = list(_floats(module))
    return found[0] if len(found) == 1 else None
