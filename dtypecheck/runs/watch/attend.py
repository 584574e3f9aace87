"""What may attend a watch: who runs modules in torch's place, and who keeps what went in to run it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...subjects.numbers import Departure, Healing
from .steps import Call

if TYPE_CHECKING:
    from .found import Found


class Healer(Protocol):
    """What runs each module instead of torch, so that it does not crash or overflow."""

    def run(self, inner: Callable[..., Any], module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call) -> Any:
        """Run a module by `inner(module, *args, **kwargs)`, with whatever is needed around it."""

    def healings(self) -> tuple[Healing, ...]:
        """What was done so far."""


class Keeper(Protocol):
    """What keeps the inputs of outermost calls, to run them again."""

    def keep(self, call: Call, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """An outermost call begins."""

    def found(self, found: Found, call: Call, outer: Any) -> None:
        """A producer was found in the outermost call that has just ended; `found.replay` is to be filled in."""

    def ended(self, call: Call, module: Any, whole: bool = True) -> None:
        """An outermost call ended, finite or not. whole: not by an exception."""

    def departures(self) -> tuple[Departure, ...]:
        """How far the components are from float32."""
