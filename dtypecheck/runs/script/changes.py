"""Attributes that are others for the time of a rehearsal, in modules that are there and in those that are imported on the way."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Final

from ..doors import Door, door, renamed

_ABSENT: Final = object()
_OURS: Final = "_dtypecheck_change"
"""What marks a function that we have put in place of another."""
_GONE: Final = "_dtypecheck_gone"
"""On one that was taken back while another was around it: what stood before it."""


_NOT_LIBRARIES: Final = sys.stdlib_module_names | {"torch"}


class Changes:
    """Everything that was changed; undone in reverse when the `with` block ends.

    doors: what is put in the place of a function is a door, so that a library that took a copy of it meanwhile gets the real one
    afterwards; a name under which a module took it is the real one again.
    """

    def __init__(self, doors: bool = False) -> None:
        self._undo = contextlib.ExitStack()
        self._done: set[tuple[int, str]] = set()
        self._doors = doors
        self._mark = object()
        self._of_libraries: list[Door] = []
        self._real: list[tuple[object, str, object]] = []
        """What was put into modules, by what name, and what was there before."""
        self._there: frozenset[str] = frozenset()

    def __enter__(self) -> Changes:
        self._there = frozenset(sys.modules)
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        self._names_back()

    def change(self, place: Any, name: str, value: object) -> None:
        """`place.name` is `value` from now on. What a class inherits is changed for it alone."""
        before = vars(place).get(name, _ABSENT)
        value = self._door(place, value, getattr(place, name, None) if before is _ABSENT else before)
        with contextlib.suppress(AttributeError, TypeError):
            vars(value)[_OURS] = self._mark
        setattr(place, name, value)
        if self._doors and isinstance(place, ModuleType) and before is not _ABSENT:
            self._real.append((value, name, before))
        self._undo.callback(_back, place, name, before, value)

    def later(self, act: Callable[[], object]) -> None:
        """Done when all is taken back."""
        self._undo.callback(act)

    def once(self, place: Any, name: str, make: Callable[[Any], object]) -> None:
        """`place.name` becomes what `make` makes of it; a second time changes nothing."""
        if name not in vars(place) or (id(place), name) in self._done:
            return
        self._done.add((id(place), name))
        self.change(place, name, make(vars(place)[name]))

    def wrap(self, place: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """A function, method or class method is called through what `make` makes of it; one that is not there is left."""
        found = vars(place).get(name)
        if found is None:
            return
        kind = type(found) if isinstance(found, (classmethod, staticmethod)) else None
        real = found.__func__ if isinstance(found, (classmethod, staticmethod)) else found
        if self._doors and getattr(real, _OURS, None) is self._mark:  # a copy of one that was changed already
            return
        made = self._door(place, make(real), real)
        self.change(place, name, kind(made) if kind else made)

    def elsewhere(self) -> None:
        """Other modules that have a library's function under a name of their own get what is now in its place, as if they were
        imported only now."""
        renamed({id(way.real): way.call for way in self._of_libraries}, sys.modules)

    def _door(self, place: Any, value: object, real: object) -> Any:
        """What leads to a value as long as this lasts; itself where that is no function, or a door already."""
        if not self._doors or getattr(value, _OURS, None) is self._mark:
            return value
        made = door(value, real)
        if made is None:
            return value
        vars(made.call)[_OURS] = self._mark
        vars(made.call).pop(_GONE, None)  # `wraps` takes it over from a real one that is another's
        self._undo.callback(made.close)
        if isinstance(place, ModuleType) and place.__name__.partition(".")[0] not in _NOT_LIBRARIES:
            self._of_libraries.append(made)
        return made.call

    def _names_back(self) -> None:
        """Names that modules gave to what was put there are of the real things again; a class of ours only where it was new."""
        renamed({id(value): before for value, _, before in self._real if isinstance(value, FunctionType)}, sys.modules)
        others = [entry for entry in reversed(self._real) if not isinstance(entry[0], FunctionType)]  # of equals the first
        renamed({(id(value), name): before for value, name, before in others}, sys.modules.keys() - self._there)
        self._real.clear()
        self._of_libraries.clear()


def _back(place: Any, name: str, before: object, value: object) -> None:
    """As it was before. Where another of ours was put around it since, that one will go back to what was before this one."""
    now = vars(place).get(name, _ABSENT)
    if now is not value and getattr(now, _OURS, False) and getattr(value, _OURS, False):
        vars(value)[_GONE] = before
        return
    while hasattr(before, _GONE):
        before = getattr(before, _GONE)
    if before is _ABSENT:
        with contextlib.suppress(AttributeError):
            delattr(place, name)
    else:
        setattr(place, name, before)


@contextlib.contextmanager
def on_import(wanted: Mapping[str, Callable[[ModuleType], None]]) -> Iterator[None]:
    """Each module is handed to its function when it has been imported; at once where that was before."""
    for name, act in wanted.items():
        if name in sys.modules:
            act(sys.modules[name])
    finder = _Finder({name: act for name, act in wanted.items() if name not in sys.modules})
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds nothing itself: asks the others, and puts itself between."""

    def __init__(self, wanted: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self.wanted = wanted
        self._asking: set[tuple[str, int]] = set()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        asked = name, threading.get_ident()
        if name not in self.wanted or asked in self._asking:  # another of our kind, which waits for the same module, asks back
            return None
        self._asking.add(asked)
        try:
            return self._ask(name, path, target)
        finally:
            self._asking.discard(asked)

    def _ask(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Then(spec.loader, self.wanted[name])
                return spec
        return None


class _Then(Loader):
    """Loads a module as its loader does, then hands it on."""

    def __init__(self, loader: Loader, act: Callable[[ModuleType], None]) -> None:
        self.loader = loader
        self.act = act

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        self.act(sys.modules.get(module.__name__, module))
