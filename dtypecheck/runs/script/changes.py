"""Attributes that are others for the time of a rehearsal, in modules that are there and in those that are imported on the way."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

_ABSENT: Final = object()
_OURS: Final = "_dtypecheck_change"
"""What marks a function that we have put in place of another."""
_GONE: Final = "_dtypecheck_gone"
"""On one that was taken back while another was around it: what stood before it."""


class Changes:
    """Everything that was changed; undone in reverse when the `with` block ends."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()
        self._done: set[tuple[int, str]] = set()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def change(self, place: Any, name: str, value: object) -> None:
        """`place.name` is `value` from now on. What a class inherits is changed for it alone."""
        before = vars(place).get(name, _ABSENT)
        with contextlib.suppress(AttributeError, TypeError):
            vars(value)[_OURS] = True
        setattr(place, name, value)
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
        if isinstance(found, classmethod):
            self.change(place, name, classmethod(make(found.__func__)))
        elif isinstance(found, staticmethod):
            self.change(place, name, staticmethod(make(found.__func__)))
        else:
            self.change(place, name, make(found))


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
