"""`--heal`: casts what would crash and widens what overflows, module by module, and goes on; all of it is listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ...subjects.numbers import Healing
from ..modules import came_from
from .again.kept import Undo
from .again.nests import HALF, cast, is_float
from .crash import given_to
from .healed import Asked, Book, Done, weights
from .names import Root, Row
from .reduced import floats
from .silent import named
from .steps import MASKS, Call
from .strays import Strays, own_dtype
from .watcher import Watcher
from .wider import Wider, tame, torch_dtype, well

Back = Callable[[], None]


class Heal:
    """Runs every module in torch's place.

    A crash: what came astray into the component is cast where it comes in; where that does not help, the input of the one module
    that raised is cast to its weights' dtype; else that module runs in float32. Numbers that are not finite though all that went
    in is: the module runs again in float32, and what it gives is cast back; where that does not fit, the module around it does,
    and so on outward. What helped once is done at once from then on. Every result is looked at: one synchronisation a module.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.book = Book()
        self.wider = Wider(watcher, self.book)
        self.strays = Strays(watcher, self.book)
        self._casts: dict[Row, torch.dtype] = {}
        self._edges: set[Root] = set()

    def healings(self) -> tuple[Healing, ...]:
        """What was done so far, in the order in which it was first needed."""
        return self.book.healings(self.watcher.names)

    def run(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call) -> Any:
        """Run a module as `inner(module, *args, **kwargs)` would, to a better end."""
        asked = Asked(inner, module, args, kwargs, call)
        if asked.outermost:
            self.wider.begin()
        return self._run(asked)

    def _run(self, asked: Asked) -> Any:
        row = asked.row
        if row in self.strays.known:
            if self.strays.too_large(asked):
                return self.wider.fitting(self.wider.run(asked), own_dtype(asked.module), asked.call)[0]
            asked = self.strays.cast(asked, self.strays.known[row])
        if row in self._casts:
            return self._cast_well(asked)
        if row in self.wider.known:
            return self.wider.usual(asked)
        return self._watched(asked)

    def _watched(self, asked: Asked) -> Any:
        """The module in its own dtype, and what is done where that goes wrong."""
        thread = self.watcher.thread
        undo, before = Undo(asked.args, asked.kwargs), len(thread.calls)

        def back() -> None:
            """As if it had not been called."""
            undo()
            self.watcher.ways.unmade(thread.calls[before:])
            del thread.calls[before:]
            thread.fault = None

        try:
            result = asked()
        except Exception as fault:
            if not self.watcher.messages.about_dtypes(fault):
                raise
            return self._after_crash(asked, fault, back)
        if well(result) and not self.wider.wanted(asked.call):
            return result
        if not _well_given(undo, asked) or self.wider.hopeless(asked.call):
            return result
        back()
        return self.wider.instead(asked, result, back)

    def _after_crash(self, asked: Asked, fault: Exception, back: Back) -> Any:
        """Called while the exception is handled, which goes on where nothing helps."""
        thread, root = self.watcher.thread, asked.row.root
        below = came_from(fault, thread.fault)
        if root not in self._edges:
            if asked.outermost and self.strays.candidates(asked):
                return self._at_the_edge(asked, back)
            if not asked.outermost and thread.outer is not None and self._astray(*thread.outer):
                raise  # what came in astray is cast where it came in
        if below:
            raise  # the module that raised could not be helped
        return self._own(asked, back)

    def _astray(self, call: Call, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return bool(self.strays.candidates(Asked(module, module, args, kwargs, call)))

    def _at_the_edge(self, asked: Asked, back: Back) -> Any:
        """Cast one of the inputs that are in another dtype than the component, else all; else each module is on its own."""
        row = asked.row
        if self.strays.too_large(asked):
            self.strays.known[row] = frozenset(self.strays.candidates(asked))
            return self._again(asked, back)
        for names in self.strays.guesses(asked):
            back()
            try:
                result = self.strays.cast(asked, names)()
            except Exception:  # noqa: BLE001 - then it was another one, or there are more faults than this
                self.book.strike(row, "cast")
                continue
            self.strays.known[row] = names
            return result if well(result) else self._again(asked, back)
        self._edges.add(row.root)
        return self._again(asked, back)

    def _again(self, asked: Asked, back: Back) -> Any:
        """With what was learned."""
        back()
        return self._run(asked)

    def _own(self, asked: Asked, back: Back) -> Any:
        """What the one module that raised can be helped with; called while its exception is handled."""
        row, main = asked.row, torch_dtype(asked.row.root.main)
        held = next((it.dtype for it in asked.module._parameters.values() if is_float(it)), None)
        if held is not None and any(tensor.dtype is not held for tensor in _tensors(asked)):
            back()
            try:
                result = self._cast(asked, held)
            except Exception:  # noqa: BLE001 - then it was not that
                self.book.strike(row, "cast")
            else:
                self._casts[row] = held
                return result if well(result) else self._again(asked, back)
        back()
        like = main if main in HALF else None
        try:
            result = self.wider.run(asked, like)
        except Exception:  # noqa: BLE001 - then the first exception goes on
            result = None
        if result is None:
            raise
        self.wider.known[row] = like
        return self.wider.fitting(result, like, asked.call)[0]

    def _cast(self, asked: Asked, held: torch.dtype) -> Any:
        """A module that gets what its weights can take, and gives what the modules behind it can take."""
        row, main = asked.row, torch_dtype(asked.row.root.main)
        strange = [tensor for tensor in _tensors(asked) if tensor.dtype is not held]
        if strange:
            path = self.watcher.names.path(row)
            new = Done(strange[0].dtype, held, weights(path, row, named(held)))
            self.book.entry(row, "cast", lambda: new).cast(strange)
            asked.call.inputs = (held,) * len(asked.call.inputs)
        result = replace(asked, args=cast(asked.args, held), kwargs=cast(asked.kwargs, held))()
        if not strange or main is None or main is held:
            return result
        return self.wider.fitting(result, main, asked.call)[0]

    def _cast_well(self, asked: Asked) -> Any:
        """Likewise, and in float32 where what it was given does not fit its weights' dtype."""
        undo = Undo(asked.args, asked.kwargs)
        result = self._cast(asked, self._casts[asked.row])
        if well(result) or not _well_given(undo, asked):
            return result
        undo()
        return self.wider.instead(asked, result, undo)


def _tensors(asked: Asked) -> list[torch.Tensor]:
    return floats((asked.args, asked.kwargs), [])


def _well_given(undo: Undo, asked: Asked) -> bool:
    """Whether all that a module was given was finite, but for masks, which are known by the names of its arguments."""
    given = given_to(asked.call, asked.args, asked.kwargs)
    masks = {id(tensor) for name, tensor in given if any(word in name for word in MASKS)}
    return all(tame(before, id(tensor) in masks) for tensor, before in undo.tensors)
