"""Attention that is not computed by PyTorch: processors and backends of diffusers, implementations of transformers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch

_HOME: Final = "diffusers.models.attention_processor"
_DISPATCH: Final = "diffusers.models.attention_dispatch"
_WORDS: Final = ("XFormers", "XLAFlash", "_NPU", "NPU", "Flash", "Sage")
"""In the names of processors that need kernels of others; without them the name is that of the plain one."""
_NONE: Final = object()
_PLAIN: Final = ("eager", "sdpa", "sdpa_paged", "eager_paged", None)
"""What transformers calls attention that PyTorch computes."""


def processors(module: torch.nn.Module, component: str, switch: Callable[..., Any]) -> Iterator[Any]:
    """Each of the three where it is in use. component: what users call what holds the module."""
    parts = list(module.modules())
    swapped = [(part, plain) for part in parts if (plain := _plainer(part)) is not None]
    if swapped:
        name = type(swapped[0][0].processor).__name__
        yield switch(
            f"{component}.set_default_attn_processor() in place of {name}", lambda: _set_all(swapped, "processor"), sure=False
        )
    backends = [part.processor for part in parts if _backend(part) is not None]
    if backends or _active() not in (None, "native"):
        used = _backend_name(backends) or _active()
        yield switch(f'{component}.set_attention_backend("native") in place of {used!r}', lambda: _native(backends))
    configs = {id(config): config for part in parts if (config := part.__dict__.get("config")) is not None and _foreign(config)}
    if configs:
        used = next(iter(configs.values()))._attn_implementation
        pairs = [(config, "sdpa") for config in configs.values()]
        yield switch(
            f'{component}.set_attn_implementation("sdpa") in place of {used!r}',
            lambda: _set_all(pairs, "_attn_implementation_internal"),
            sure=False,
        )


@contextlib.contextmanager
def _set_all(pairs: list[tuple[Any, Any]], name: str) -> Iterator[None]:
    """Another value of one attribute in several objects."""
    before = [(thing.__dict__, thing.__dict__.get(name, _NONE)) for thing, _ in pairs]
    for thing, value in pairs:
        thing.__dict__[name] = value
    try:
        yield
    finally:
        for slots, value in before:
            if value is _NONE:
                slots.pop(name, None)
            else:
                slots[name] = value


def _plainer(part: torch.nn.Module) -> Any:
    """diffusers' own processor that does the same with PyTorch's attention; None where this one does, or there is none."""
    processor = part.__dict__.get("processor")
    if processor is None:
        return None
    kind = type(processor)
    names = [kind.__name__.replace(word, "") for word in _WORDS if word in kind.__name__]
    if not names and kind.__module__.startswith("diffusers."):
        return None
    homes = [sys.modules.get(kind.__module__), sys.modules.get(_HOME)]
    names = [candidate for name in names for candidate in (f"{name}2_0", name)]
    found = [vars(home).get(name) for home in homes if home is not None for name in names]
    usual = getattr(part, "_default_processor_cls", None) or vars(sys.modules.get(_HOME) or sys).get("AttnProcessor2_0")
    for made in (*found, usual):
        if isinstance(made, type) and made is not kind:
            with contextlib.suppress(TypeError):
                return made()
    return None


def _backend(part: torch.nn.Module) -> Any:
    backend = getattr(part.__dict__.get("processor"), "_attention_backend", None)
    return None if str(getattr(backend, "value", backend)) in ("None", "native", "_native_math") else backend


def _backend_name(processors: list[Any]) -> str | None:
    backend = next((one._attention_backend for one in processors), None)
    return None if backend is None else str(getattr(backend, "value", backend))


def _active() -> str | None:
    """The backend that diffusers computes attention with where a processor names none."""
    dispatch = sys.modules.get(_DISPATCH)
    backend = getattr(getattr(dispatch, "_AttentionBackendRegistry", None), "_active_backend", None)
    return None if backend is None else str(getattr(backend, "value", backend))


@contextlib.contextmanager
def _native(processors: list[Any]) -> Iterator[None]:
    dispatch: Any = sys.modules[_DISPATCH]
    with dispatch.attention_backend("native"), _set_all([(one, None) for one in processors], "_attention_backend"):
        yield


def _foreign(config: Any) -> bool:
    return getattr(config, "_attn_implementation_internal", None) not in _PLAIN
