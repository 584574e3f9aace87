"""What is asked for and what will come of it: claims, requests and load plans."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..dtypes import DType
from ..findings import Where
from .stored import WeightSet

By = Literal["stores", "declares", "requests", "shows", "loads"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One witness: this place says this dtype. by: stores, declares, requests, shows, or loads (predicted from the others)."""

    dtype: DType
    where: Where
    by: By


@dataclass(frozen=True, slots=True)
class Quantised:
    """How a component's weights are packed. method: bitsandbytes_4bit, gptq, awq, fp8, torchao, quanto, gguf, ...

    compute: the dtype it computes in where it says so.
    """

    method: str
    where: Where
    compute: Claim | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What from_pretrained will give. counts: parameters by dtype after loading (packed ones in their stored dtype).

    dtype: what most floating parameters get; None when nothing can be loaded, `failure` then says why.
    kept: parameters that stay float32 by a keep list, and `patterns`, what that list names. chosen: the weights it reads.
    raises: the exception that `failure` comes as. variant: the one that is really read, None for the files without.
    packed: bytes of a quantised component, whose counts are logical numbers; None for others.
    """

    dtype: DType | None
    claim: Claim | None = None
    counts: Mapping[DType, int] = field(default_factory=dict)
    chosen: WeightSet | None = None
    patterns: tuple[str, ...] = ()
    kept: int = 0
    failure: str | None = None
    raises: str | None = None
    variant: str | None = None
    packed: int | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters after loading."""
        if self.packed is not None:
            return self.packed
        return sum(dtype.nbytes(count) for dtype, count in self.counts.items())


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. dtypes: component name to dtype, "" for all the rest; empty when no dtype was asked for.

    device: a name of rules/devices.toml. libraries: ("diffusers", "0.42.1", "installed") for each that matters.
    dropped: components that had a dtype of their own where the loader takes none.
    """

    dtypes: Mapping[str, DType] = field(default_factory=dict)
    variant: str | None = None
    device: str | None = None
    libraries: tuple[tuple[str, str, str], ...] = ()
    dropped: tuple[str, ...] = ()

    def dtype_for(self, component: str) -> DType | None:
        """The dtype asked for a component, None when none was."""
        return self.dtypes.get(component, self.dtypes.get(""))

    def version(self, library: str) -> tuple[int, ...]:
        """The version of a library that the plan is for, as numbers; empty if it is not known."""
        text = next((version for name, version, _ in self.libraries if name == library), "")
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    def __str__(self) -> str:
        if not self.dtypes:
            return "no dtype"
        rest = [self.dtypes[""].short] if "" in self.dtypes else []
        return ", ".join(rest + [f"{name}={dtype.short}" for name, dtype in self.dtypes.items() if name])
