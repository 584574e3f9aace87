"""A pipeline call of a script, and `generate`: two steps in place of many, and the first fault that comes out is kept."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from ..rehearse import words
from .session import Session

STEPS: Final = 2
_SHARES: Final[Mapping[str, Callable[[float], float]]] = {
    "strength": lambda value: value,
    "denoising_end": lambda value: value,
    "denoising_start": lambda value: 1 - value,
}
"""Arguments that leave only a part of the steps, and how large a part."""
_ADAPTED: Final = ("ip_adapter_image", "ip_adapter_image_embeds")


def shortened(session: Session) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A pipeline's `__call__` with fewer steps."""

    def make(call: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(call).parameters

        @wraps(call)
        def called(pipeline: Any, *args: Any, **kwargs: Any) -> Any:
            names = list(parameters)[1 : len(args) + 1]
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            positional = len(args)
            for name, steps in _fewer(parameters, given):
                session.note(f"{name}: {steps} in place of {given.get(name, parameters[name].default)}")
                if name in names:
                    args = tuple(steps if other == name else value for other, value in zip(names, args, strict=False))
                else:
                    kwargs[name] = steps
            if "ip_adapter" in session.skipped:
                kwargs = {key: value for key, value in kwargs.items() if key not in _ADAPTED}
            if session.depth == 0:
                session.world.breach, session.world.failed, session.world.undecided = None, None, ""
                session.heard.again()
                session.called = words({**dict(zip(names, args, strict=False)), **kwargs})
            session.depth += 1
            try:
                return call(pipeline, *args[:positional], **kwargs)
            except Exception as fault:
                session.heard.fault = session.heard.fault or fault
                raise
            finally:
                session.depth -= 1

        return called

    return make


def _fewer(parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The arguments that count steps, with how many are enough to denoise twice."""
    share = 1.0
    for name, part in _SHARES.items():
        value = given.get(name, parameters[name].default if name in parameters else None)
        if isinstance(value, (int, float)) and 0 < part(value) < 1:
            share = min(share, part(value))
    enough = math.ceil(STEPS / share)
    found = []
    for name, parameter in parameters.items():
        value = given.get(name, parameter.default)
        if name.endswith("num_inference_steps") and isinstance(value, int) and value > enough:
            found.append((name, enough))
    return found


def generate(session: Session) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`generate` with two tokens."""

    def make(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def called(model: Any, *args: Any, **kwargs: Any) -> Any:
            asked = kwargs.get("max_new_tokens")
            if asked is None or asked > STEPS:
                if asked is not None:
                    session.note(f"max_new_tokens: {STEPS} in place of {asked}")
                kwargs |= {"max_new_tokens": STEPS}
                for name in ("max_length", "min_new_tokens", "min_length"):
                    kwargs.pop(name, None)
            return call(model, *args, **kwargs)

        return called

    return make
