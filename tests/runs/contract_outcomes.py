"""How a call ends: for real on a device, and on tensors without numbers that are held to the contracts of that device."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from dtypecheck.runs.contracts import Breach, Contracts

from .contract_calls import Call
from .contract_glue import GLUE
from .contract_layers import LAYERS
from .contract_others import OTHERS

CALLS: Final = (*LAYERS, *GLUE, *OTHERS)
NUMBERS: Final = ("DataDependentOutputException", "DynamicOutputShapeException")
DIFFERS: Final = {
    "unique": "how many there are depends on the numbers",
    "nonzero": "how many there are depends on the numbers",
    "lstsq": "the rank depends on the numbers",
    "istft": "it looks whether the window is zero",
    "item": "it is the number",
    "tolist": "it is the numbers",
    "numpy": "there are none to give away; that bf16 and fp8 have no numpy dtype is not reached",
    "max_pool1d": "under any dispatch mode torch pools in two dimensions, which takes integers and names another kernel",
    "linear 3d not contiguous": "under any dispatch mode torch adds the bias out of place, which promotes; else in place",
}
"""Where a rehearsal ends otherwise, and why that is not for a contract to mend."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """error: the class of what was raised, "" where the call ran; text: its message, or the dtypes of what came out."""

    error: str
    text: str


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The outcome on tensors without numbers, and the contract that was broken: the operator and what is said of it."""

    outcome: Outcome
    header: str = ""
    breach: Breach | None = None


class Asking(TorchDispatchMode):
    """Asks the contracts before every operator, as a rehearsal does."""

    def __init__(self, contracts: Contracts) -> None:
        super().__init__()
        self.contracts = contracts
        self.header = ""
        self.breach: Breach | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        broken = self.contracts.breach(func, args, kwargs or {})
        if broken is not None:
            self.header, self.breach = str(func.overloadpacket), broken
            raise broken.error(broken.message)
        return func(*args, **(kwargs or {}))


def real(call: Call, plan: Mapping[str, str], device: str) -> Outcome:
    """What the device does."""
    tensors = call.make(plan, device)
    return _outcome(lambda: call.run(*tensors.values()))


def rehearsed(call: Call, plan: Mapping[str, str], contracts: Contracts, fake: FakeTensorMode) -> Rehearsed:
    """What a rehearsal for the device says."""
    tensors = [fake.from_tensor(tensor) for tensor in call.make(plan, "cpu").values()]
    assert all(isinstance(tensor, FakeTensor) for tensor in tensors)
    mode = Asking(contracts)
    with mode:
        outcome = _outcome(lambda: call.run(*tensors))
    return Rehearsed(outcome, mode.header, mode.breach)


def explained(name: str, truth: Outcome, found: Outcome) -> bool:
    """True when two outcomes differ in the way that DIFFERS gives a reason for."""
    match name:
        case "numpy":
            return found.text == ".numpy() is not supported for tensor subclasses."
        case "max_pool1d":
            return "max_pool1d_impl" in truth.text and (not found.error or "max_pool2d" in found.text)
        case "linear 3d not contiguous":
            return not truth.error and not found.error
        case _:
            return name in DIFFERS and found.error in NUMBERS


@contextmanager
def quietly() -> Iterator[None]:
    """Without gradients, warnings and the log of torch."""
    logging.disable(logging.CRITICAL)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _outcome(run: Callable[[], Any]) -> Outcome:
    try:
        return Outcome("", _dtypes(run()))
    except Exception as fault:  # noqa: BLE001 - whatever a device raises is the outcome
        return Outcome(type(fault).__name__, (str(fault).splitlines() or [""])[0])


def _dtypes(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return str(value.dtype).removeprefix("torch.")
    if isinstance(value, (list, tuple)):
        return f"({', '.join(_dtypes(item) for item in value)})"
    return type(value).__name__
