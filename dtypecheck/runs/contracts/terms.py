"""When a demand applies that only some of an operator's kernels make: by dtype, by size, by the kernel PyTorch would choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch

from ...knowledge import Row
from .kinds import Given, named

_SMALL: Final = 400
"""Multiplications of one product of a batch below which the CPU has a kernel of its own."""

_UNNAMED: Final = "MkldnnTranspose"
"""The one kernel that PyTorch's Python side has no name for."""


def apply(row: Row, given: Given) -> bool:
    """True when all terms of a demand hold for this call."""
    return all(test(row[term], given) for term, test in _TERMS.items() if term in row)


def _where(wanted: Mapping[str, Any], given: Given) -> bool:
    """`where = { weight = [dtypes] }`"""
    return all(isinstance(given.get(name), torch.Tensor) and given[name].dtype in named(names) for name, names in wanted.items())


def _small(wanted: list[str], given: Given) -> bool:
    """`small = [a, b]`: the CPU has a kernel of its own for products of this size."""
    first, second = (given[name] for name in wanted)
    return bool(first.shape[-2] * first.shape[-1] * second.shape[-1] < _SMALL)


def _large(wanted: list[str], given: Given) -> bool:
    """`large = [a, b]`: it is not."""
    return not _small(wanted, given)


def _backend(wanted: list[str], given: Given) -> bool:
    """`backend = [names]`: which kernel PyTorch chooses for this convolution."""
    rest = (given["stride"], given["padding"], given["dilation"], given["transposed"], given["output_padding"], given["groups"])
    try:
        chosen = torch._C._select_conv_backend(given["input"], given["weight"], given.get("bias"), *rest)
    except RuntimeError:
        return False
    name = str(chosen).rpartition(".")[2]
    return (_UNNAMED if name == "???" else name) in wanted


def _dims(wanted: Mapping[str, str], given: Given) -> bool:
    """`dims = { values = "some" }`: it has dimensions; `"none"`: it is a number, or a tensor of one without dimensions."""

    def none(value: Any) -> bool:
        return not isinstance(value, torch.Tensor) or value.dim() == 0

    return all(none(given.get(name)) == (word == "none") for name, word in wanted.items())


def _indexed(wanted: str, given: Given) -> bool:
    """`indexed = "mask"`: by one mask of bools; `"numbers"`: otherwise."""
    indices = [index for index in given["indices"] if index is not None]
    mask = len(indices) == 1 and indices[0].dtype in (torch.bool, torch.uint8)
    return mask == (wanted == "mask")


def _depthwise(wanted: bool, given: Given) -> bool:
    """`depthwise = true`: a convolution of each channel for itself."""
    groups: int = given["groups"]
    return wanted == (groups > 1 and groups == given["input"].shape[1] and not given["transposed"])


def _resizes(wanted: bool, given: Given) -> bool:
    """`resizes = true`: the picture comes out in another size; one that does not is copied without computing."""
    size = given.get("output_size")
    return wanted == (size is None or list(given["self"].shape[2:]) != list(size))


_TERMS: Final[Mapping[str, Callable[[Any, Given], bool]]] = {
    "where": _where,
    "small": _small,
    "large": _large,
    "dims": _dims,
    "indexed": _indexed,
    "backend": _backend,
    "resizes": _resizes,
    "depthwise": _depthwise,
}
