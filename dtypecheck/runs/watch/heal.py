"""`--heal`: casts what would crash and widens what overflows, module by module, and goes on; all of it is listed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import torch

from ...dtypes import DType
from ...subjects.numbers import Healing
from ..modules import came_from
from ..words import first_line
from . import healed
from .again.calls import away, eager, uncast
from .again.kept import Undo
from .again.lent import Lent
from .again.moved import device_of
from .again.nests import HALF, cast, is_float, mapped
from .again.widened import Widened
from .crash import given_to
from .healed import Done
from .names import Root, Row, main_dtype
from .reduced import floats
from .silent import named
from .steps import MASKS, Call, finite
from .watcher import KEEPS, Watcher

TRIES: Final = 3
"""Calls of a module that float32 did not help, after which it is left alone."""

Back = Callable[[], None]
Like: TypeAlias = "tuple[torch.dtype, ...] | torch.dtype"
"""The dtypes of the tensors in a result, one by one, or of all of them."""


class Heal:
    """Runs every module in torch's place.

    A crash: what came astray into the component is cast where it comes in; where that does not help, the input of the one module
    that raised is cast to its weights' dtype; else that module runs in float32. Numbers that are not finite though all that went
    in is: the module runs again in float32, and what it gives is cast back; where that does not fit, the module around it does,
    and so on outward. What helped once is done at once from then on. Every result is looked at: one synchronisation a module.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._done: dict[tuple[Row, str], Done] = {}
        self._casts: dict[Row, torch.dtype] = {}
        self._wide: dict[Row, Like] = {}
        self._strays: dict[Row, frozenset[str]] = {}
        self._edges: set[Root] = set()
        self._lost: dict[Row, int] = {}
        self._calls = _Calls()

    def healings(self) -> tuple[Healing, ...]:
        """What was done so far, in the order in which it was first needed."""
        found = list(self._done.items())
        return tuple(healed.listed(row, what, done, self.watcher.names) for (row, what), done in found if done.times)

    def run(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call) -> Any:
        """Run a module as `inner(module, *args, **kwargs)` would, to a better end."""
        row = call.row
        if call.above is None:
            self._calls.unfit.clear()
            self._calls.lost.clear()
        if row in self._strays:
            if self._too_large(call, module, args, kwargs):
                return self._fitting(self._in_float32(inner, module, args, kwargs, row), self._main(module), call)[0]
            args, kwargs = self._without(call, module, args, kwargs, self._strays[row])
        if row in self._casts:
            return self._cast_well(inner, module, args, kwargs, call)
        if row in self._wide:
            return self._fitting(self._in_float32(inner, module, args, kwargs, row), self._wide[row], call)[0]
        return self._watched(inner, module, args, kwargs, call)

    def _watched(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call) -> Any:
        """The module in its own dtype, and what is done where that goes wrong."""
        thread = self.watcher.thread
        undo, before = Undo(args, kwargs), len(thread.calls)

        def back() -> None:
            """As if it had not been called."""
            undo()
            self.watcher.unmade(thread.calls[before:])
            del thread.calls[before:]
            thread.fault = None

        try:
            result = inner(module, *args, **kwargs)
        except Exception as fault:
            if not self.watcher.messages.about_dtypes(fault):
                raise
            return self._after_crash(inner, module, args, kwargs, call, fault, back)
        unfit = call in self._calls.unfit
        if not unfit and _well(result):
            return result
        if not _well_given(undo, call, args, kwargs):
            return result
        if call in self._calls.lost or self._lost.get(call.row, 0) >= TRIES:
            self._calls.up(self._calls.lost, call)
            return result
        back()
        return self._after_overflow(inner, module, args, kwargs, call, result, back)

    # -- overflows

    def _after_overflow(
        self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, result: Any, back: Back
    ) -> Any:
        """The module in float32; where its output does not fit, the module around it is told so."""
        row = call.row
        like = tuple(tensor.dtype for tensor in floats(result, []))
        narrow = next((dtype for dtype in like if dtype in HALF), torch.float32)
        known = self._done.get((row, "float32"))
        try:
            seconds = self._timed(inner, module, args, kwargs)
            back()
            made = self._in_float32(inner, module, args, kwargs, row, narrow)
        except Exception as fault:  # noqa: BLE001 - what cannot run in float32 alone may be able to with what is around it
            self._calls.up(self._calls.unfit, call)
            if call.above is None:
                self.watcher.limits.setdefault(f"{self.watcher.names.path(row)} could not be run in fp32: {first_line(fault)}")
            self._undone(row, known)
            return result
        if _well(made):
            made, fits = self._fitting(made, like, call)
            if fits or call.above is None:
                self._wide[row] = like
                self._done[row, "float32"].before = seconds
                return made
        else:
            self._lost[row] = self._lost.get(row, 0) + 1
            self._calls.up(self._calls.lost, call)
        self._undone(row, known)
        return result

    def _undone(self, row: Row, known: Done | None) -> None:
        if known is None:
            self._done.pop((row, "float32"), None)

    def _timed(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
        """Seconds that the module takes in its own dtype, with nothing of ours around."""
        begun = time.perf_counter()
        with away(self.watcher.thread):
            _well(inner(module, *args, **kwargs))  # which waits for the device
        return time.perf_counter() - begun

    def _in_float32(
        self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], row: Row, narrow: torch.dtype | None = None
    ) -> Any:
        """The module with float32 weights and inputs. narrow: its own dtype, for the record."""
        device, begun = device_of(module, (args, kwargs)), time.perf_counter()
        lent = Lent(args, kwargs, narrow or _torch(row.root.main))
        try:
            with away(self.watcher.thread), Widened(module, device), uncast(device), eager(module):
                result = inner(module, *lent.args, **lent.kwargs)
        finally:
            lent.back()
        _well(result)  # waits for the device
        done = self._done.get((row, "float32"))
        if done is None:
            own = named(narrow or torch.float16)
            words = healed.range_(self.watcher.names.path(row), row.root.name if row.root.is_component else "", own)
            done = self._done[row, "float32"] = Done(narrow or torch.float16, torch.float32, words)
        done.times += 1
        done.seconds += time.perf_counter() - begun
        return result

    def _fitting(self, result: Any, like: Like, call: Call) -> tuple[Any, bool]:
        """A float32 result in the dtypes that it has otherwise, and whether those hold it; if not, the module around is told so.

        There is none around a component: then what does not fit stays float32.
        """
        tensors = floats(result, [])
        dtypes: tuple[torch.dtype, ...] = like if isinstance(like, tuple) else (like,) * len(tensors)
        targets = {id(tensor): dtype for tensor, dtype in zip(tensors, dtypes, strict=False)}
        narrowed = mapped(result, lambda it: it.to(targets[id(it)]) if id(it) in targets else it, objects=False)
        fitting = {id(tensor) for tensor in tensors if _well(tensor.to(targets[id(tensor)]))}
        if len(fitting) == len(targets):
            return narrowed, True
        self._calls.up(self._calls.unfit, call)
        if call.above is None:
            path = self.watcher.names.path(call.row)
            self.watcher.limits.setdefault(f"{path} gives numbers that only fp32 holds: whatever casts them behind it loses them")
            targets = {number: dtype for number, dtype in targets.items() if number in fitting}
            narrowed = mapped(result, lambda it: it.to(targets[id(it)]) if id(it) in targets else it, objects=False)
        return narrowed, False

    # -- crashes

    def _after_crash(
        self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, fault: Exception, back: Back
    ) -> Any:
        """Called while the exception is handled, which goes on where nothing helps."""
        thread, root = self.watcher.thread, call.row.root
        below = came_from(fault, thread.fault)
        if root not in self._edges:
            if call.above is not None:
                if thread.outer and self._candidates(*thread.outer):
                    raise  # what came in astray is cast where it came in
            elif found := self._candidates(call, module, args, kwargs):
                return self._at_the_edge(inner, module, args, kwargs, call, found, back)
        if below:
            raise  # the module that raised could not be helped
        return self._own(inner, module, args, kwargs, call, back)

    def _at_the_edge(
        self,
        inner: Any,
        module: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        call: Call,
        found: list[str],
        back: Back,
    ) -> Any:
        """Cast one of the inputs that are in another dtype than the component, else all; else each module is on its own."""
        row = call.row
        if self._too_large(call, module, args, kwargs):
            self._strays[row] = frozenset(found)
            return self._again(inner, module, args, kwargs, call, back)
        for names in dict.fromkeys([*(frozenset({name}) for name in found), frozenset(found)]):
            back()
            given, named_ = self._without(call, module, args, kwargs, names)
            try:
                result = inner(module, *given, **named_)
            except Exception:  # noqa: BLE001 - then it was another one, or there are more faults than this
                self._done.pop((row, "cast"), None)
                continue
            self._strays[row] = names
            return result if _well(result) else self._again(inner, module, args, kwargs, call, back)
        self._edges.add(row.root)
        return self._again(inner, module, args, kwargs, call, back)

    def _again(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, back: Back) -> Any:
        back()
        return self.run(inner, module, args, kwargs, call)

    def _candidates(self, call: Call, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """The names of what a component is given in another dtype than its own; scalars and time steps may be."""
        main = self._main(module)
        given = given_to(call, args, kwargs)
        return [name for name, tensor in given if main is not None and tensor.dtype is not main and tensor.numel() > KEEPS]

    def _too_large(self, call: Call, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether something that came in astray, healed elsewhere, does not fit the component's dtype."""
        main = self._main(module)
        strays = [it for _, it in given_to(call, args, kwargs) if main in HALF and it.dtype is not main]
        return any(_tame(it) and not _tame(it.to(main)) for it in strays)

    def _without(
        self, call: Call, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], names: frozenset[str]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of these names in the component's dtype."""
        main = self._main(module)
        strays = [(name, it) for name, it in given_to(call, args, kwargs) if name in names and it.dtype is not main]
        if main is None or not strays:
            return args, kwargs
        done = self._done.get((call.row, "cast"))
        if done is None:
            makers = self.watcher.makers
            words = healed.edge([(name, makers.of(tensor)) for name, tensor in strays], named(main), call.row.root.name)
            shown = str(self.watcher.settings.shown(words))
            done = self._done[call.row, "cast"] = Done(strays[0][1].dtype, main, shown)
        done.cast(tensor for _, tensor in strays)
        self.watcher.strange.pop(call.row.root, None)
        call.inputs = tuple(main if name in names else it.dtype for name, it in given_to(call, args, kwargs))
        parameters = (*call.row.parameters, *[""] * len(args))
        given = tuple(cast(value, main) if name in names else value for name, value in zip(parameters, args, strict=False))
        return given, {name: cast(value, main) if name in names else value for name, value in kwargs.items()}

    def _own(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, back: Back) -> Any:
        """What the one module that raised can be helped with."""
        row = call.row
        held = next((it.dtype for it in module._parameters.values() if it is not None and is_float(it)), None)
        if held is not None and any(tensor.dtype is not held for tensor in floats((args, kwargs), [])):
            back()
            try:
                result = self._cast(inner, module, args, kwargs, call, held)
            except Exception:  # noqa: BLE001 - then it was not that
                self._done.pop((row, "cast"), None)
            else:
                self._casts[row] = held
                return result if _well(result) else self._again(inner, module, args, kwargs, call, back)
        back()
        main = _torch(row.root.main)
        like: Like = main if main in HALF else ()
        try:
            result = self._in_float32(inner, module, args, kwargs, row, main if main in HALF else None)
        except Exception:  # noqa: BLE001 - then the first exception goes on
            result = None
        if result is None:
            raise
        self._wide[row] = like
        return self._fitting(result, like, call)[0]

    def _cast(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call, held: torch.dtype) -> Any:
        """A module that gets what its weights can take, and gives what the modules behind it can take."""
        row = call.row
        strange = [tensor for tensor in floats((args, kwargs), []) if tensor.dtype is not held]
        main = _torch(row.root.main)
        if strange:
            done = self._done.get((row, "cast"))
            if done is None:
                path = self.watcher.names.path(row)
                words = healed.weights(path, row.root.name if row.root.is_component else "", named(held), row.root.main)
                done = self._done[row, "cast"] = Done(strange[0].dtype, held, words)
            done.cast(strange)
            call.inputs = (held,) * len(call.inputs)
        result = inner(module, *cast(args, held), **cast(kwargs, held))
        if not strange or main is None or main is held:
            return result
        return self._fitting(result, main, call)[0]

    def _cast_well(self, inner: Any, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: Call) -> Any:
        """Likewise, and in float32 where what it was given does not fit its weights' dtype."""
        undo = Undo(args, kwargs)
        result = self._cast(inner, module, args, kwargs, call, self._casts[call.row])
        if _well(result) or not _well_given(undo, call, args, kwargs):
            return result
        undo()
        return self._after_overflow(inner, module, args, kwargs, call, result, undo)

    def _main(self, module: Any) -> torch.dtype | None:
        return _torch(main_dtype(module))


class _Calls(threading.local):
    """Calls of this thread that run now: those in which a number does not fit, and those that nothing helps."""

    def __init__(self) -> None:
        self.unfit: set[Call] = set()
        self.lost: set[Call] = set()

    def up(self, calls: set[Call], call: Call) -> None:
        """Tell the module around this one."""
        if call.above is not None:
            calls.add(call.above)


def _torch(dtype: DType | None) -> torch.dtype | None:
    return getattr(torch, dtype.torch) if dtype is not None and dtype.torch else None


def _well(value: Any) -> bool:
    """Whether all numbers are finite, or a mask's -inf. It waits for the device."""
    return all(_tame(tensor) for tensor in floats(value, []))


def _well_given(undo: Undo, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether all that a module was given was finite, but for masks, which are known by the names of its arguments."""
    masks = {id(tensor) for name, tensor in given_to(call, args, kwargs) if any(word in name for word in MASKS)}
    return all(_tame(before, id(tensor) in masks) for tensor, before in undo.tensors)


def _tame(tensor: torch.Tensor, mask: bool = False) -> bool:
    """Whether the numbers of a tensor are finite, or a mask's -inf."""
    if not is_float(tensor) or not tensor.numel():
        return True
    low, high = torch.stack(torch.aminmax(tensor.detach())).tolist()
    return finite((low, high), mask)
