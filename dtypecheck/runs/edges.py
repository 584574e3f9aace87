"""The edge of a component: what goes in loses its numbers, what comes out is zeros, so that the glue runs for real."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, Final

import torch

from . import origins
from .origins import Origin
from .world import World, filled

KEEPS: Final = 16
"""Elements up to which any floating tensor keeps its numbers inside a component: timesteps, scales, sigmas."""
KNOWN: Final = 1 << 16
"""The same for one whose numbers are the true ones, because no component had a part in it: masks, zeros, noise."""
_FRAMEWORK: Final = (
    "torch.",
    "diffusers.models.modeling_utils",
    "diffusers.models.attention",
    "diffusers.models.cache_utils",
    "diffusers.configuration_utils",
    "diffusers.loaders",
    "diffusers.utils",
    "transformers.modeling_utils",
    "transformers.generation",
    "transformers.integrations",
    "transformers.utils",
    "transformers.masking_utils",
    "builtins",
)
_NO_EDGE: Final = ("generate", "prepare_", "set_", "enable_", "disable_", "fuse_", "unfuse_", "get_input_emb", "get_output_emb")


def guard(name: str, component: torch.nn.Module, world: World) -> None:
    """Make every public method of a component, `forward` among them, an edge; those of the frameworks' base classes are none."""
    for method in _methods(type(component)):
        bound = getattr(component, method)
        component.__dict__[method] = _edge(name, method, bound, world)


def _methods(klass: type) -> Iterator[str]:
    """The public methods that the class of a model defines itself."""
    seen: set[str] = set()
    for base in klass.__mro__:
        if f"{base.__module__}.".startswith(_FRAMEWORK):
            continue
        for name, value in vars(base).items():
            if name in seen or name.startswith("_") or name.startswith(_NO_EDGE):
                continue
            seen.add(name)
            if inspect.isfunction(value):
                yield name


def _edge(name: str, method: str, call: Callable[..., Any], world: World) -> Callable[..., Any]:
    parameters = list(inspect.signature(call).parameters)

    @wraps(call)
    def crossed(*args: Any, **kwargs: Any) -> Any:
        if name in world.inside:
            return call(*args, **kwargs)
        names = parameters[: len(args)] + ["argument"] * (len(args) - len(parameters))
        args = tuple(_into(value, given, world) for value, given in zip(args, names, strict=True))
        kwargs = {key: _into(value, key, world) for key, value in kwargs.items()}
        world.inside.append(name)
        world.methods.append(f"{name}.{method}")
        world.modules.enter(name)
        try:
            result = call(*args, **kwargs)
        except Exception:  # the component's own code raises anything; it is noted and goes on
            world.modules.fail()
            raise
        finally:
            world.modules.leave()
            world.inside.pop()
        return _out(result, Origin("component", name))

    return crossed


def _into(value: Any, name: str, world: World) -> Any:
    """An argument as the component sees it: floating tensors without numbers, under the name they came in."""
    if isinstance(value, torch.Tensor):
        if not value.is_floating_point():
            return value
        origins.through(value, name)
        return value if value.numel() <= (KNOWN if _true(value) else KEEPS) else world.without_numbers(value)
    if type(value) in (list, tuple):
        return type(value)(_into(item, name, world) for item in value)
    if type(value) is dict:
        return {key: _into(item, str(key), world) for key, item in value.items()}
    return value


def _true(value: torch.Tensor) -> bool:
    """Whether the numbers are those of a real run: only code and arguments made them."""
    origin = origins.of(value)
    return origin is not None and origin.kind in ("code", "argument") and not origin.after


def _out(value: Any, origin: Origin, depth: int = 0) -> Any:
    """A result as the glue sees it: zeros, made by the component."""
    if isinstance(value, torch.Tensor):
        value = filled(value)
        if value.is_floating_point():
            origins.mark(value, origin)
        return value
    if depth > 4 or value is None or isinstance(value, (str, int, float, torch.nn.Module)):
        return value
    if type(value) in (list, tuple):
        return type(value)(_out(item, origin, depth + 1) for item in value)
    if isinstance(value, dict):
        for key in list(value):
            value[key] = _out(value[key], origin, depth + 1)
        return value
    if is_dataclass(value):
        for entry in fields(value):
            setattr(value, entry.name, _out(getattr(value, entry.name), origin, depth + 1))
        return value
    if type(value).__module__.startswith("diffusers.") and hasattr(value, "__dict__"):
        for key, item in vars(value).items():
            setattr(value, key, _out(item, origin, depth + 1))
    return value
