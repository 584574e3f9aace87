"""What is known of modules, kept beside them: weakly, by identity, so that no module is changed, compared or kept alive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar
from weakref import ref

Known = TypeVar("Known")


class Beside(Generic[Known]):
    """A value for an object, as long as the object lives. Safe among threads, and where the collector comes in between."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._found: dict[int, tuple[Any, Known]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, thing: object) -> Known | None:
        """What is known of it."""
        found = self._found.get(id(thing))
        return found[1] if found is not None and found[0]() is thing else None

    def put(self, thing: object, value: Known) -> None:
        """Know this of it, in place of what was known."""
        number = id(thing)
        with self._lock:
            self._found[number] = ref(thing, lambda gone: self._forget(number, gone)), value

    def items(self) -> list[tuple[Any, Known]]:
        """All that live, with what is known of them, in the order in which they were first put."""
        with self._lock:
            return [(thing, value) for found, value in list(self._found.values()) if (thing := found()) is not None]

    def _forget(self, number: int, gone: Any) -> None:
        with self._lock:
            if number in self._found and self._found[number][0] is gone:
                del self._found[number]


def walk(module: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """A module and all in it, each once, with their paths; by identity, whatever its class says of being equal."""
    seen = set() if seen is None else seen
    if id(module) in seen:
        return
    seen.add(id(module))
    yield path, module
    for name, part in list(module._modules.items()):
        if part is not None:
            yield from walk(part, f"{path}.{name}" if path else name, seen)
