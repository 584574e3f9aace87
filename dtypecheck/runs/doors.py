"""A function of ours in the place of a real one is a door: who took a copy of it comes to the real one when we are done.

A library that is first imported while something is replaced keeps what it finds: by `from x import y`, in a class of its own,
behind a decorator. No undoing reaches all of these, so the replacement itself knows when it is over.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import FrameType, FunctionType, ModuleType
from typing import Any, Final

_PACKAGE: Final = __name__.partition(".")[0]


class Door:
    """Leads to `act` while it is open, then to `real`; `call` is what is put in the place of `real`."""

    __slots__ = ("act", "call", "real")

    def __init__(self, act: Callable[..., Any], real: Callable[..., Any]) -> None:
        self.act: Callable[..., Any] | None = act
        self.real = real

        @wraps(real)
        def door(*args: Any, **kwargs: Any) -> Any:
            return (self.act or real)(*args, **kwargs)

        self.call = door

    def close(self) -> None:
        """From now on to the real one, for whoever still has it."""
        self.act = None


def door(value: object, real: object) -> Door | None:
    """A door for a function in the place of another; None for a class, a property, a plain value, and where nothing stood."""
    return Door(value, real) if isinstance(value, FunctionType) and callable(real) else None


def caller(above: int = 2) -> FrameType | None:
    """Who called a function of ours, doors left out. above: frames between that and this."""
    frame: FrameType | None = sys._getframe(above)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame


def renamed(instead: Mapping[Any, object], modules: Iterable[str]) -> None:
    """In these modules, what has one of the identities becomes what is given for it; our own modules are left.

    instead: by identity, or by identity and name where that is no matter of the identity alone.
    """
    for place in list(modules) if instead else ():
        module = sys.modules.get(place)
        if not isinstance(module, ModuleType) or place.partition(".")[0] == _PACKAGE:
            continue
        for name, value in list(vars(module).items()):
            found = next((key for key in (id(value), (id(value), name)) if key in instead), None)
            if found is not None:
                vars(module)[name] = instead[found]
