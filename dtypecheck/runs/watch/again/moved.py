"""Weights that accelerate and diffusers keep elsewhere between calls: where they lie, and how a module runs unmoved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import torch

from .nests import mapped, walked

_MOVERS: Final = ("group_offloading", "lazy_prefetch_group_offloading", "layer_execution_tracker", "layerwise_casting")
"""Names of diffusers' hooks that move or cast weights around a call."""


class _Still:
    """Stands where accelerate's hook is: it moves the inputs to their device, and no weights. hooks: for whom it stands."""

    def __init__(self, hook: Any, device: torch.device) -> None:
        self.hooks = getattr(hook, "hooks", (hook,))
        self.no_grad = bool(getattr(hook, "no_grad", False))
        self.device = device

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        moved: tuple[Any, Any] = mapped(
            (args, kwargs), lambda it: it.to(self.device) if isinstance(it, torch.Tensor) else it, objects=False
        )
        return moved

    def post_forward(self, module: Any, result: Any) -> Any:
        return result


@contextlib.contextmanager
def still(part: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Nothing moves or casts the weights of a module when it is called. device: where they are meanwhile."""
    before = part.__dict__.get("_hf_hook")
    changed = [(hook.fn_ref, hook.fn_ref.pre_forward, hook.fn_ref.post_forward) for hook in _hooks(part)]
    if before is not None:
        part.__dict__["_hf_hook"] = _Still(before, device)
    for reference, _, _ in changed:
        reference.pre_forward, reference.post_forward = _as_given, _as_made
    try:
        yield
    finally:
        if before is not None:
            part.__dict__["_hf_hook"] = before
        for reference, pre, post in changed:
            reference.pre_forward, reference.post_forward = pre, post


def stored(part: torch.nn.Module, name: str) -> torch.Tensor | None:
    """The numbers of a weight that is on the meta device between calls, None where they cannot be found."""
    hook = part.__dict__.get("_hf_hook")
    for one in getattr(hook, "hooks", (hook,)):
        kept = getattr(one, "weights_map", None)
        if kept is None:
            continue
        try:
            found = kept[name]
        except (KeyError, OSError):
            continue
        if isinstance(found, torch.Tensor):
            return found
    return None


def device_of(module: torch.nn.Module, given: Any) -> torch.device:
    """Where a module computes: as its hooks say, else where its weights lie, else where its inputs do."""
    for part in module.modules():
        hook = part.__dict__.get("_hf_hook")
        for one in (*getattr(hook, "hooks", (hook,)), *(getattr(hook, "group", None) for hook in _hooks(part))):
            said = getattr(one, "execution_device", None)
            said = getattr(one, "onload_device", None) if said is None else said
            if said is not None:
                return torch.device("cuda", said) if isinstance(said, int) else torch.device(said)
    lies = [tensor.device for tensor in module.parameters()]
    lies += [thing.device for thing in walked(given) if isinstance(thing, torch.Tensor)]
    return next((device for device in lies if device.type not in ("cpu", "meta")), torch.device("cpu"))


def stateful(module: torch.nn.Module) -> str:
    """The name of a hook that keeps results from one call to the next, "" without any: such calls cannot be repeated."""
    for part in module.modules():
        registry = part.__dict__.get("_diffusers_hook")
        for name, hook in getattr(registry, "hooks", {}).items():
            if getattr(hook, "_is_stateful", False):
                return str(name)
    return ""


def _hooks(part: torch.nn.Module) -> list[Any]:
    registry = part.__dict__.get("_diffusers_hook")
    found = getattr(registry, "hooks", {})
    return [found[name] for name in _MOVERS if name in found]


def _as_given(module: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


def _as_made(module: Any, result: Any) -> Any:
    return result
