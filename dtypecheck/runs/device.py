"""A device that is not there: the CPU's tensors stand for its own, and whoever asks is told what the device would say."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from .doors import renamed
from .pretend import replaced
from .remembered import ask_again
from .world import World

_DEVICE: Final = re.compile(r"(cuda|mps|xpu|hip|cpu)(:\d+)?")
_ASKED: Final = frozenset({torch.Tensor.device.__get__})
_FLAGS: Final = {torch.Tensor.is_cuda.__get__: "cuda", torch.Tensor.is_mps.__get__: "mps", torch.Tensor.is_xpu.__get__: "xpu"}
_MOVES: Final = frozenset({torch.Tensor.cuda, torch.Tensor.cpu, torch.Tensor.xpu, torch.Tensor.pin_memory})
CPU: Final = torch.device("cpu")


def stands_for(device: str) -> torch.device:
    """The torch device that a kind of device is called by: cuda for NVIDIA's and AMD's."""
    return torch.device({"rocm": "cuda:0", "cuda": "cuda:0", "mps": "mps:0", "xpu": "xpu:0"}.get(device, "cpu"))


class Answers(TorchFunctionMode):  # type: ignore[misc]
    """Tensors say that they are on the device; whatever is to be made or put there is made on the CPU."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device_said = device

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _ASKED:
            return self.device_said
        if func in _FLAGS:
            return _FLAGS[func] == self.device_said.type
        if func in _MOVES:
            return args[0]
        kwargs = {key: here(value) if key == "device" else value for key, value in (kwargs or {}).items() if key != "pin_memory"}
        if func is torch.Tensor.to or any(isinstance(value, torch.device) for value in args):
            args = tuple(here(value) for value in args)
        return func(*args, **kwargs)


class Moment:
    """An event of a stream that is not there: it has always happened."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def record(self, *_: object) -> None:
        """Nothing to wait for."""

    wait = synchronize = record

    def query(self) -> bool:
        """Whether it has happened."""
        return True


class Generator(torch.Generator):  # type: ignore[misc]
    """A source of noise that says it lives on the device it was asked for, and makes the CPU's numbers."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        made: Generator = super().__new__(cls, "meta" if str(device) == "meta" else "cpu")
        return made

    def __init__(self, device: Any = "cpu") -> None:
        self._said = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)

    @property
    def device(self) -> torch.device:
        """Where it was asked to be."""
        return self._said


def here(value: Any) -> Any:
    """The CPU in place of a device; anything else as it is."""
    if isinstance(value, torch.device):
        return CPU
    if isinstance(value, str) and _DEVICE.fullmatch(value):
        return CPU
    return value


@contextlib.contextmanager
def pretended(kind: str, world: World, capability: int = 90) -> Iterator[None]:
    """Meanwhile there is a device of this kind, and nothing else but it. capability: 75 for sm75, of CUDA devices.

    What libraries keep of the answers is forgotten afterwards.
    """
    device = stands_for(kind)
    if device.type == "cpu":
        yield
        return
    own = FakeTensor.device

    def said(tensor: Any) -> torch.device:
        return own.fget(tensor) if world.busy else device

    cuda = device.type == "cuda"
    answers: list[tuple[object, str, object]] = [
        (FakeTensor, "device", property(said)),
        (torch.backends.mps, "is_available", lambda: device.type == "mps"),
        (torch.backends.mps, "is_built", lambda: device.type == "mps"),
        (torch.cuda, "is_available", lambda: cuda),
        (torch.cuda, "device_count", lambda: int(cuda)),
        (torch.cuda, "current_device", lambda: 0),
        (torch.cuda, "is_bf16_supported", lambda *_, **__: capability >= 80),
        (torch.cuda, "get_device_capability", lambda *_: divmod(capability, 10)),
        (torch.cuda, "empty_cache", lambda: None),
        (torch.cuda, "synchronize", lambda *_: None),
        (torch.cuda, "ipc_collect", lambda: None),
        (torch.cuda, "reset_peak_memory_stats", lambda *_: None),
        (torch, "Event", Moment),
        (torch, "Generator", Generator),
        (torch.mps, "empty_cache", lambda: None),
        (torch.mps, "synchronize", lambda: None),
    ]
    real: dict[int, object] = {id(Generator): torch.Generator, id(Moment): getattr(torch, "Event", Moment)}
    there = frozenset(sys.modules)
    try:
        with contextlib.ExitStack() as stack:
            for place, name, value in answers:
                stack.enter_context(replaced(place, name, value))
            ask_again()
            stack.enter_context(Answers(device))
            yield
    finally:
        renamed(real, sys.modules.keys() - there)
        ask_again()
