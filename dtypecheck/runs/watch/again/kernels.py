"""Kernels that are not PyTorch's plain ones: which a module may run with, how each is turned off, and off meanwhile."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from ...words import place
from .calls import eager, is_compiled
from .processors import processors

_TORCH: Final = torch.__file__.replace("\\", "/").rpartition("/")[0] + "/"
_OURS: Final = __file__.replace("\\", "/").partition("/runs/watch/")[0] + "/"
_HOLDERS: Final[dict[str, Any]] = {"torch.nn.functional": functional, "torch": torch, "torch.Tensor": torch.Tensor}
_MOVERS: Final = ("_hf_hook", "_diffusers_hook")
"""Where libraries that put a `forward` of theirs into a module note it."""
_SOURCES: Final = (torch._C._nn, torch._C._VariableFunctions, torch._C.TensorBase)


@dataclass(frozen=True, slots=True)
class Switch:
    """One thing that can be turned off. words: how, for good. off: turns it off meanwhile. sure: it cannot make a call fail."""

    words: str
    off: Callable[[], AbstractContextManager[Any]]
    sure: bool = True


def switches(module: torch.nn.Module, device: torch.device, path: str) -> list[Switch]:
    """Everything that may stand between a module and PyTorch's plain kernels, the likeliest first. path: what users call it."""
    component = path.partition(".")[0]
    found = [*_replaced(), *_forwards(module, path), *processors(module, component, Switch), *_compiled(module)]
    if any(isinstance(part, (torch.nn.MultiheadAttention, torch.nn.TransformerEncoderLayer)) for part in module.modules()):
        found.append(Switch("torch.backends.mha.set_fastpath_enabled(False)", _slow_path))
    found.append(Switch(_ATTENTION[device.type == "cuda"], _math))
    if device.type == "cuda":
        found += [_flag(torch.backends.cuda.matmul, "torch.backends.cuda.matmul", name) for name in _MATMUL]
        found.append(Switch("torch.backends.cudnn.enabled = False", lambda: torch.backends.cudnn.flags(enabled=False)))
        found.append(Switch("torch.use_deterministic_algorithms(True)", _deterministic))
    if device.type == "cpu":
        found.append(Switch("torch.backends.mkldnn.enabled = False", _no_mkldnn))
    return found


_ATTENTION: Final = {
    True: "torch.backends.cuda.enable_flash_sdp(False), enable_mem_efficient_sdp(False) and enable_cudnn_sdp(False): "
    "attention is then computed by PyTorch's own math",
    False: "run it in `with torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`: attention is then computed by PyTorch's own math",
}
_MATMUL: Final = ("allow_fp16_accumulation", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")


def _math() -> AbstractContextManager[Any]:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)  # type: ignore[no-any-return]


@contextlib.contextmanager
def _no_mkldnn() -> Iterator[None]:
    """Without torch's own way to do so, which sets more than that and warns of it."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextlib.contextmanager
def _slow_path() -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _flag(holder: Any, path: str, name: str) -> Switch:
    """A switch of PyTorch's that is off by default or not; older versions lack some."""

    @contextlib.contextmanager
    def off() -> Iterator[None]:
        before = getattr(holder, name, None)
        if before is None:
            yield
            return
        setattr(holder, name, False)
        try:
            yield
        finally:
            setattr(holder, name, before)

    return Switch(f"{path}.{name} = False", off)


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    before, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = (
        False  # NaN in memory that is about to be written is none of the model's
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns)
        torch.utils.deterministic.fill_uninitialized_memory = fills


def _compiled(module: torch.nn.Module) -> list[Switch]:
    return [Switch("run it without torch.compile", lambda: eager(module))] if is_compiled(module) else []


# -- functions and methods that somebody put in place of PyTorch's


def _code(value: Any) -> Any:
    """What runs when something is called: of a function, a method, a partial or an object; None where that is no Python."""
    value = getattr(value, "__func__", getattr(value, "func", value))
    own = getattr(value, "__code__", None)
    return own or getattr(vars(type(value)).get("__call__"), "__code__", None)


def _is_torchs(value: Any) -> bool:
    """Whether it is Python code of PyTorch's, or of ours around it."""
    code = _code(value)
    return code is not None and code.co_filename.replace("\\", "/").startswith((_TORCH, _OURS))


def _original(name: str) -> Any:
    """PyTorch's own function of that name, wherever else it can be had."""
    return next((found for source in _SOURCES if (found := getattr(source, name, None)) is not None), None)


def _own() -> dict[tuple[str, str], Any]:
    """PyTorch's own functions; what was replaced before we came, as its C core has it."""
    found = {}
    for path, holder in _HOLDERS.items():
        for name, value in vars(holder).items():
            if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)) and not name.startswith("__"):
                known = value if _is_torchs(value) or isinstance(value, types.BuiltinFunctionType) else _original(name)
                if known is not None:
                    found[path, name] = known
    return found


_OWN: Final = _own()
_FORWARD: Final = {
    kind: kind.__dict__["forward"]
    for kind in vars(torch.nn).values()
    if isinstance(kind, type)
    and issubclass(kind, torch.nn.Module)
    and _is_torchs(kind.__dict__.get("forward"))
    and "forward" in kind.__dict__
}


def _replaced() -> list[Switch]:
    """Functions of PyTorch's, and `forward` of its layers, in whose place something else stands."""
    found = []
    for (path, name), own in _OWN.items():
        now = vars(_HOLDERS[path]).get(name)
        if now is not None and now is not own and not _is_torchs(now):
            found.append(_instead(f"{path}.{name}", now, _HOLDERS[path], name, own))
    for kind, own in _FORWARD.items():
        now = kind.__dict__.get("forward")
        if now is not own and not _is_torchs(now):
            found.append(_instead(f"torch.nn.{kind.__name__}.forward", now, kind, "forward", own))
    return found


def _instead(what: str, now: Any, holder: Any, name: str, own: Any) -> Switch:
    @contextlib.contextmanager
    def off() -> Iterator[None]:
        setattr(holder, name, own)
        try:
            yield
        finally:
            setattr(holder, name, now)

    return Switch(f"take {_whose(now)} out of the place of {what}", off)


def _forwards(module: torch.nn.Module, path: str) -> list[Switch]:
    """The `forward` of single modules that somebody replaced; those of libraries that move weights have their reasons."""
    patched = [(below, part) for below, part in module.named_modules() if _is_patched(part)]
    if not patched:
        return []
    below, first = patched[0]

    @contextlib.contextmanager
    def off() -> Iterator[None]:
        before = [(part, part.__dict__.pop("forward")) for _, part in patched]
        try:
            yield
        finally:
            for part, forward in before:
                part.__dict__["forward"] = forward

    where = f"{path}.{below}".strip(".")
    return [Switch(f"take {_whose(first.__dict__['forward'])} out of the place of {where}.forward", off, sure=False)]


def _is_patched(part: torch.nn.Module) -> bool:
    """Whether a module's `forward` is not its class's, and no library is known to have put it there."""
    forward = part.__dict__.get("forward")
    return forward is not None and not _is_torchs(forward) and not any(name in part.__dict__ for name in _MOVERS)


def _whose(function: Any) -> str:
    """A function by name and line."""
    code = _code(function)
    name = getattr(function, "__name__", type(function).__name__)
    if code is None:
        return f"{name} of {getattr(function, '__module__', None) or 'an extension'}"
    return f"{name}{'()' if hasattr(function, '__name__') else ''} at {place(code.co_filename, code.co_firstlineno)}"
