"""What ran and nobody asked for, read from the ways in which modules were called and from what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import torch

from ...dtypes import DType
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...subjects import Component, Request
from ...subjects.shown import Event
from ..modules import dtype_of
from .names import Names, Root, Row

_TABLE: Final = re.compile(r"(inv_freq|freqs\w*|rope\w*|rotary\w*)$")
_HALF: Final = (torch.float16, torch.bfloat16)
_WIDE: Final = torch.float32
_CONVOLUTIONS: Final = ("Conv1d", "Conv2d", "Conv3d")


def named(dtype: torch.dtype) -> DType:
    """Our record of torch's dtype."""
    return dtype_of(torch.empty(0, dtype=dtype, device="meta"))


def mixed(root: torch.nn.Module) -> Iterator[Event]:
    """One module of torch's own with parameters in several floating dtypes; packed ones have their reasons."""
    for path, module in root.named_modules():
        if not module._parameters or not is_torchs(module):
            continue
        dtypes = {p.dtype for p in module._parameters.values() if p is not None and p.is_floating_point()}
        if len(dtypes) > 1 and dtypes <= {*_HALF, _WIDE, torch.float64}:
            found = tuple(sorted(map(named, dtypes), key=lambda dtype: dtype.bits))
            yield Event("mixed", path, type(module).__name__.lower(), found, found[-1])


def lost(
    root: torch.nn.Module, main: DType | None, component: Component, request: Request, known: Knowledge, by: str
) -> Iterator[Event]:
    """Parameters that the class keeps in float32 and that are in half. by: the line that cast them, "" unknown."""
    if main is None or not main.is_half:
        return
    listed = keep_list(component, main, request, known)
    if not listed:
        return
    kept = matcher(component, listed, request)
    modules: dict[str, DType] = {}
    for key, tensor in root.named_parameters():
        if tensor.dtype in _HALF and kept.search(key):
            modules.setdefault(key.rpartition(".")[0], dtype_of(tensor))
    for path, dtype in modules.items():
        yield Event("island", path, "", (dtype,), dtype, by=by)


def tables(root: torch.nn.Module, main: DType | None, by: str) -> Iterator[Event]:
    """Tables of positions in half, in a component that is wider or that was cast after it was made. by: where."""
    if not by and (main is None or main.is_half):
        return
    for key, tensor in root.named_buffers():
        if _TABLE.search(key) and tensor.dtype in _HALF:
            owner, _, table = key.rpartition(".")
            yield Event("rotary", owner, table, (named(_WIDE),), dtype_of(tensor), by=by)


def lowered(rows: list[Row], names: Names, roles: dict[str, str]) -> Iterator[Event]:
    """float32 weights that were computed in half: a VAE's convolutions inside autocast, and what autocast does elsewhere."""
    for row in rows:
        for (given, gave, weight), times in row.ways.items():
            if gave not in _HALF or not row.own:
                continue
            vae = roles.get(row.root.name) == "vae" and row.klass in _CONVOLUTIONS
            if vae and _WIDE in (weight, given):
                yield Event("autocast", names.path(row), row.klass.lower(), (named(weight or _WIDE),), named(gave), times=times)
            elif weight is _WIDE:
                # PyTorch's norms take half inputs with float32 weights on the CPU alone; all others were cast by somebody
                alone = row.torchs and given in _HALF and "norm" in row.klass.lower()
                yield Event(
                    "lowered", names.path(row), row.klass.lower(), (named(_WIDE),), named(gave), times=times, by_design=not alone
                )


def promoted(rows: list[Row], names: Names, strange: dict[Root, tuple[str, str]]) -> Iterator[Event]:
    """Half streams that became float32. strange: by component, what float32 came into it and who brought that."""
    groups: dict[Root, list[Row]] = {}
    for row in rows:
        if row.root.main is not None and row.root.main.is_half and any(gave is _WIDE for _, gave, _ in row.ways):
            groups.setdefault(row.root, []).append(row)
    for root, wide in groups.items():
        first = next((row for row in wide if any(given in _HALF and gave is _WIDE for given, gave, _ in row.ways)), wide[0])
        narrow = root.main or named(torch.float16)
        by = strange.get(root, ("", ""))[1]
        yield Event(
            "promoted",
            names.path(first),
            "",
            (narrow, named(_WIDE)),
            named(_WIDE),
            by,
            times=sum(first.ways.values()),
            downstream=len(wide) - 1,
            by_design=root not in strange,
        )


def is_torchs(module: Any) -> bool:
    """Whether a module's class is PyTorch's own, which casts nothing by itself."""
    return type(module).__module__.startswith("torch.nn.")
