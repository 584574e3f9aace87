"""`--confirm`: keeps what each outermost call was given, and makes it again: why did it go wrong, how exact was it?."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import torch

from ...dtypes import DType
from ...subjects.numbers import Departure
from ..words import first_line
from .again.calls import away, eager, is_autocast, looking, silent, unchanged
from .again.depart import Strange, departure
from .again.kept import Kept
from .again.moved import device_of, stateful
from .again.nests import HALF
from .again.replay import Aim, extremes, inputs, replayed
from .again.widened import Impossible, packed
from .found import Found
from .names import Row, main_dtype
from .silent import named
from .steps import Call, finite
from .watcher import Watcher

WAIT: Final = 10.0
"""Seconds that a call in another thread waits while a module is made to run in float32."""
_KINDS: Final = ("nan", "inf", "saturated")


class Confirm:
    """Makes calls again, with all traces undone: weights, random streams and results of the user's program stay what they are.

    Where another thread is inside a component at that moment, nothing is made again.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self._mine = threading.local()
        self._gate = threading.Lock()
        self._busy: set[int] = set()
        self._compared: dict[Row, int] = {}
        self._departures: dict[str, Departure] = {}

    def departures(self) -> tuple[Departure, ...]:
        """How far the components are from float32: of each the first call of the part that is farthest."""
        return tuple(self._departures.values())

    def keep(self, call: Call, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """An outermost call begins."""
        waited = self._gate.acquire(timeout=WAIT)
        self._busy.add(threading.get_ident())
        if waited:
            self._gate.release()
        self._mine.wanted = []
        self._mine.kept = None
        try:
            self._mine.kept = Kept(args, kwargs)
        except Exception as fault:  # noqa: BLE001 - whatever a script hands to a module
            self._limit(call.row, f"its inputs could not be kept ({first_line(fault)})")

    def found(self, found: Found, call: Call, outer: Any) -> None:
        """A producer was found in the call that has just ended."""
        if found.row is not None and found.fault.kind in _KINDS:
            self._mine.wanted.append(found)

    def ended(self, call: Call, module: Any, whole: bool = True) -> None:
        """An outermost call ended. whole: not by an exception."""
        self._busy.discard(threading.get_ident())
        kept, wanted = getattr(self._mine, "kept", None), getattr(self._mine, "wanted", [])
        self._mine.kept, self._mine.wanted = None, []
        if kept is None or module is None:
            return
        row = call.row
        try:
            dtype = self._due(call, module) if whole and not wanted else None
            if not wanted and dtype is None:
                return
            with self._alone(), self._traceless(module, kept):
                if wanted:
                    self._replay(row, module, kept, wanted)
                elif dtype is not None:
                    self._depart(row, module, kept, dtype)
        except (Impossible, Strange) as fault:
            self._limit(row, str(fault))
        except Exception as fault:  # noqa: BLE001 - foreign modules, made to run as nobody meant them to
            self._limit(row, first_line(fault))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread is inside a component, and none begins."""
        with self._gate:
            if self._busy:
                raise Impossible("another thread was running a model")
            yield

    @contextlib.contextmanager
    def _traceless(self, module: torch.nn.Module, kept: Kept) -> Iterator[None]:
        if name := stateful(module):
            raise Impossible(f"{name} keeps results from call to call")
        now = kept.chance.now()
        graded = torch.no_grad() if torch.is_grad_enabled() else contextlib.nullcontext()
        try:
            with away(self.watcher.thread), silent(), unchanged(module), graded:
                yield
        finally:
            now.restore()

    def _limit(self, row: Row, why: str) -> None:
        self.watcher.limits.setdefault(f"{self.watcher.names.path(row)} was not run again: {why}")

    # -- producers

    def _replay(self, row: Row, module: torch.nn.Module, kept: Kept, wanted: list[Found]) -> None:
        """Make the outermost call again; each producer that goes wrong in it is made again on what it was given there."""
        aims = {id(aim.module): (aim, found) for found in wanted if (aim := self._aim(found)) is not None}
        open_: list[tuple[Aim, list[bool]]] = []

        def look(inner: Any, part: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            for aim, seen in reversed(open_):
                if part is aim.first:
                    seen[0] = seen[0] or not all(map(finite, inputs(part, args, kwargs, aim.first_names)))
                    break
            if id(part) not in aims:
                return inner(part, *args, **kwargs)
            aim, found = aims[id(part)]
            given = inputs(part, args, kwargs, aim.names)
            if not all(map(finite, given)):
                return inner(part, *args, **kwargs)
            own, bad = Kept(args, kwargs), [False]
            open_.append((aim, bad))
            try:
                result = inner(part, *args, **kwargs)
            finally:
                open_.pop()
            if bad[0] or aim.bad(given, extremes(result)):
                del aims[id(part)]
                self._caught(aim, own, found)
            return result

        args, kwargs = kept.again()
        failed = ""
        with looking(look):
            try:
                module(*args, **kwargs)
            except Exception as fault:  # noqa: BLE001 - NaN may be refused behind the producer, then as now
                failed = first_line(fault)
        for _, found in aims.values():
            if found.row is not None:
                self._limit(found.row, failed or "when its component was run again, it did not go wrong")

    def _aim(self, found: Found) -> Aim | None:
        row, first = found.row, found.fault.first
        module = row.module() if row is not None else None
        if row is None or module is None:
            return None
        return Aim(
            module,
            first.row.module() if first is not None else None,
            self.watcher.names.path(row),
            found.fault.kind,
            found.fault.dtype,
            row.parameters,
            first.row.parameters if first is not None else (),
        )

    def _caught(self, aim: Aim, own: Kept, found: Found) -> None:
        now = own.chance.now()
        try:
            found.replay = replayed(aim, own)
            found.replay = replace(found.replay, switch=str(self.watcher.settings.shown(found.replay.switch)))
        except Impossible as fault:
            self._limit(found.row, str(fault)) if found.row else None
        except Exception as fault:  # noqa: BLE001 - foreign modules, made to run as nobody meant them to
            self._limit(found.row, first_line(fault)) if found.row else None
        finally:
            now.restore()

    # -- quality

    def _due(self, call: Call, module: torch.nn.Module) -> DType | None:
        """The half dtype in which a module has just made its first call, None where there is nothing to compare."""
        row = call.row
        if row in self._compared:
            return None
        if why := packed(module):
            self._compared[row] = 0
            self._limit(row, why)
            return None
        own = main_dtype(module)
        if own is None or own.is_half:
            return own
        device = device_of(module, ())  # weights may be stored in another dtype than they compute in, by autocast or hooks
        autocast = torch.get_autocast_dtype(device.type) if is_autocast(device) else None
        half = next((dtype for dtype in (*call.outputs, autocast) if dtype in HALF), None)
        return named(half) if half is not None else None

    def _depart(self, row: Row, module: torch.nn.Module, kept: Kept, dtype: DType) -> None:
        names = self.watcher.names
        self._compared[row] = 1

        def path(part: torch.nn.Module) -> str:
            known = names.rows.get(id(part))
            return names.path(known) if known is not None else names.path(row)

        with eager(module):
            found = departure(module, kept, row.root.name, dtype, path)
        known = self._departures.get(row.root.name)
        if found is None:
            del self._compared[row]
        elif known is None or known.error < found.error:
            self._departures[row.root.name] = found
