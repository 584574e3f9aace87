"""The calls that pipelines make, each to be run for every tuple of dtypes: one line a call, its tensors as `name=shape`.

`x=2,3` stands for all of the four wide formats in turn, `x+=2,3` for these and int64, bool and fp8, `x:i64=2` for one dtype,
`b~w=4` for whatever `w` has. A shape `-` is a scalar.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

NAMES: Final = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "i64": torch.int64,
    "bool": torch.bool,
    "f8": torch.float8_e4m3fn,
    "f8e5": torch.float8_e5m2,
    "c64": torch.complex64,
    "u8": torch.uint8,
    "i32": torch.int32,
}
WIDE: Final = ("f16", "bf16", "f32", "f64")
MORE: Final = (*WIDE, "i64", "bool", "f8")
ALL: Final = (*MORE, "i32", "u8", "f8e5")
"""For a call of one tensor."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its name, what runs, and its tensors (see the head of the file)."""

    name: str
    run: Callable[..., Any]
    tensors: str

    def slots(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        return {_name(word): _shape(word) for word in self.tensors.split()}

    def plans(self) -> Iterator[dict[str, str]]:
        """Every way to give its tensors a dtype."""
        free: dict[str, tuple[str, ...]] = {}
        tied: dict[str, str] = {}
        for word in self.tensors.split():
            left = word.split("=")[0]
            if "~" in left:
                tied[_name(word)] = left.split("~")[1]
            elif ":" in left:
                free[_name(word)] = (left.split(":")[1],)
            else:
                free[_name(word)] = MORE if left.endswith("+") else WIDE
        if list(free.values()).count(MORE) == 1 and all(len(dtypes) == 1 for dtypes in free.values() if dtypes is not MORE):
            free = {name: ALL if dtypes is MORE else dtypes for name, dtypes in free.items()}
        for dtypes in itertools.product(*free.values()):
            plan = dict(zip(free, dtypes, strict=True))
            plan |= {name: plan[other] for name, other in tied.items()}
            yield {name: plan[name] for name in self.slots()}

    def make(self, plan: Mapping[str, str], device: str) -> dict[str, torch.Tensor]:
        """Its tensors under a plan."""
        return {name: _tensor(name, shape, NAMES[plan[name]], device) for name, shape in self.slots().items()}


def _name(word: str) -> str:
    left = word.split("=")[0]
    return left.split("~")[0].split(":")[0].rstrip("+")


def _shape(word: str) -> tuple[int, ...]:
    text = word.split("=")[1]
    return () if text == "-" else tuple(int(size) for size in text.split(","))


def _tensor(name: str, shape: tuple[int, ...], dtype: torch.dtype, device: str) -> torch.Tensor:
    count = 1
    for size in shape:
        count *= size
    numbers = torch.arange(count, dtype=torch.float32).reshape(shape)
    if dtype == torch.bool or not dtype.is_floating_point:
        numbers = numbers % 2 + (name not in ("i", "m"))
    else:
        numbers = (numbers % 7 + 1) / 8
    return numbers.to(dtype).to(device)
