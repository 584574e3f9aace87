"""Listens to a script while it loads, builds, casts and adapts modules, so that a dtype found later can be traced to a line."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import FrameType, ModuleType
from typing import Any, Final

import torch

from ...dtypes import DType
from ..script.changes import Changes, on_import
from ..script.trace import Script
from . import adapters, keeps, story
from .beside import Beside, walk
from .callers import Callers
from .casting import cast_of, outside, wanted
from .loads import given, keyword, load_of, modules_of
from .safely import Safely
from .sources import ADAPTS, CASTS, INJECTS, LOADERS, Source
from .story import Adapter, Cast, Load, Story

_WRAPPED: Final = ("_orig_mod", "module", "base_model", "model")
"""Where wrappers of torch.compile, DistributedDataParallel and PEFT keep the module itself."""

Make = Callable[[Callable[..., Any]], Callable[..., Any]]


class _Local(threading.local):
    """depth: how many loaders run in this thread, one inside the other."""

    def __init__(self) -> None:
        self.depth = 0


class History:
    """The stories of a script's modules, kept beside them: nothing is written on a module, and none is kept alive.

    script: whose lines are the user's own; without one, every file that is not installed. faults: what failed in here, which
    never reaches the script.
    """

    def __init__(self, script: Script | None = None) -> None:
        self.callers = Callers(script)
        self.on = False
        self._safely = Safely()
        self.faults = self._safely.faults
        self._stack = ExitStack()
        self._local = _Local()
        self._words: dict[str, str] = {}
        self._loads: Beside[Load] = Beside()
        self._casts: Beside[dict[tuple[object, ...], Cast]] = Beside()
        self._adapters: Beside[list[Adapter]] = Beside()

    def __enter__(self) -> History:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen from now on, also to libraries that are imported later."""
        changes = self._stack.enter_context(Changes())
        for name in CASTS:
            changes.wrap(torch.nn.Module, name, self._casting(name))
        changes.wrap(torch.nn.Module, "__init__", self._building)
        places: dict[str, list[tuple[Source, Make]]] = {}
        for source in LOADERS:
            places.setdefault(source.module, []).append((source, self._loading(source)))
        for source in INJECTS:
            places.setdefault(source.module, []).append((source, self._injecting))
        for source in ADAPTS:
            places.setdefault(source.module, []).append((source, self._adapting))

        def act(module: ModuleType) -> None:
            for source, make in places[module.__name__]:
                for owner in source.owners(module):
                    self._safely(changes.wrap, owner, source.method, make)

        self._stack.enter_context(on_import(dict.fromkeys(places, act)))
        self.on = True

    def stop(self) -> None:
        """Leave every function as it was; what was heard stays."""
        self.on = False
        self._stack.close()

    def of(self, module: torch.nn.Module, name: str = "") -> Story | None:
        """What became of a module, None where nothing was seen. name: what the script or the pipeline calls it."""
        told: Story | None = self._safely(self._told, module, name)
        return told

    def _told(self, module: torch.nn.Module, name: str) -> Story | None:
        inner = self._inner(module)
        load = self._load(inner)
        if load is not None and not load.keyword:
            load = replace(load, keyword=self._words.get(load.library) or keyword(load.library))
        casts = self._casts_of(inner)
        put = tuple(adapters.now(it, inner) for it in self._adapters.get(inner) or ())
        if load is None and not casts and not put:
            return None
        return Story(type(inner).__name__, name, load, casts, put, keeps.listed(inner, load.asked if load else None))

    @staticmethod
    def why(told: Story, now: DType, expected: DType | None = None) -> str:
        """Why it has the dtype it has, in words; "" if that is as expected or nobody saw."""
        return story.why(told, now, expected)

    @staticmethod
    def remedy(told: Story, now: DType, expected: DType) -> str:
        """What to write where to have it in the dtype expected, in words; "" where no line of the user's is known."""
        return story.remedy(told, now, expected)

    def _inner(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module that was loaded, else the innermost that was built, inside of what wraps it."""
        chain = [module]
        while below := next((it for key, it in chain[-1]._modules.items() if key in _WRAPPED and it is not None), None):
            if any(below is it for it in chain):
                break
            chain.append(below)
        known = [(it, load) for it in chain if (load := self._loads.get(it)) is not None]
        loaded = next((it for it, load in known if not load.built), None)
        return loaded if loaded is not None else known[-1][0] if known else module

    def _load(self, module: torch.nn.Module) -> Load | None:
        """How it came to be: by itself, else with a part of its own that was loaded, else inside of what was."""
        load = self._loads.get(module)
        if load is not None and not load.built:
            return load
        below = next((it for part in module.children() if (it := self._loads.get(part)) and not it.built), load)
        if below is not None:
            return below
        return next((it for owner, it in self._loads.items() if any(part is module for _, part in walk(owner))), None)

    def _casts_of(self, module: torch.nn.Module) -> tuple[Cast, ...]:
        """The casts of it, of what holds it, and of its parts, the same of several parts together."""
        inside = {id(part): path for path, part in walk(module)}
        found: dict[tuple[object, ...], Cast] = {}
        parts: dict[tuple[object, ...], int] = {}
        for owner, casts in self._casts.items():
            path = inside.get(id(owner))
            if path is None and not any(part is module for _, part in walk(owner)):
                continue
            for key, cast in casts.items():
                if path and key in found and found[key].part:
                    parts[key] = parts.get(key, 1) + 1
                    found[key] = replace(cast, part=f"{parts[key]} parts", undid=found[key].undid or cast.undid)
                elif not path or key not in found:
                    found[key] = replace(cast, part=path or "")
        return tuple(found.values())

    # What is put in place of the libraries' own functions

    def _loading(self, source: Source) -> Make:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(real)
            def load(cls: type, *args: Any, **kwargs: Any) -> Any:
                if not self.on:
                    return real(cls, *args, **kwargs)
                options = {**kwargs, "": args[0] if args else kwargs.get("pretrained_model_name_or_path")}
                self._local.depth += 1
                try:
                    result = real(cls, *args, **kwargs)
                finally:
                    self._local.depth -= 1
                if not self._local.depth:
                    self._safely(self._loaded, cls.__name__, source, options, sys._getframe(1), result)
                return result

            return load

        return make

    def _loaded(self, owner: str, source: Source, options: Mapping[str, Any], frame: FrameType, result: Any) -> None:
        called = self.callers.called(frame)
        own = [id(it) for it in given(options.values())]
        for name, module in modules_of(result):
            if not any(id(part) in own for part in (module, *module.children())):
                lone = module is result or isinstance(result, tuple)
                load = load_of(owner, source.method, source.library, options, called, None if lone else name)
                self._loads.put(module, load)
                if load.keyword:
                    self._words[load.library] = load.keyword

    def _building(self, real: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(real)
        def build(module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
            real(module, *args, **kwargs)
            if self.on and not self._local.depth and not torch.compiler.is_compiling():
                self._safely(self._built, module, sys._getframe(1))

        return build

    def _built(self, module: torch.nn.Module, frame: FrameType | None) -> None:
        """A module that the user's line builds itself, no part of another that is being built."""
        here = frame
        while here is not None:
            code = here.f_code
            if code.co_name == "__init__" and code.co_argcount:
                owner = here.f_locals.get(code.co_varnames[0])
                if isinstance(owner, torch.nn.Module) and owner is not module:
                    return
                if owner is module:
                    here = here.f_back
                    continue
            if self.callers.owns(code.co_filename):
                called = self.callers.called(here)
                self._loads.put(module, Load(called.line, type(module).__name__, built=True))
                return
            here = here.f_back

    def _casting(self, method: str) -> Make:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(real)
            def cast(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
                if not self.on or self._local.depth or torch.compiler.is_compiling() or "_modules" not in vars(module):
                    return real(module, *args, **kwargs)
                dtype = wanted(method, args, kwargs)
                frame = outside(__file__)
                if dtype is None or not (module._modules or self.callers.owns(frame.f_code.co_filename)):
                    return real(module, *args, **kwargs)  # a mere move, or one layer that a library casts while it runs
                before = self._safely(keeps.wide, module, dtype) or {}
                result = real(module, *args, **kwargs)
                self._safely(self._was_cast, module, method, dtype, frame, before)
                return result

            return cast

        return make

    def _was_cast(
        self, module: torch.nn.Module, method: str, dtype: DType, frame: FrameType, before: dict[str, list[torch.nn.Parameter]]
    ) -> None:
        cast = cast_of(method, dtype, self.callers.called(frame), keeps.lost(before))
        key = cast.line, cast.how, cast.dtype, cast.through
        casts = self._casts.get(module) or {}
        known = casts.pop(key, None)
        casts[key] = cast if known is None or cast.undid else replace(cast, undid=known.undid)
        self._casts.put(module, casts)

    def _injecting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def inject(tuner: Any, model: torch.nn.Module, adapter_name: str = "default", *args: Any, **kwargs: Any) -> Any:
            if not self.on:
                return real(tuner, model, adapter_name, *args, **kwargs)
            self._local.depth += 1
            try:
                result = real(tuner, model, adapter_name, *args, **kwargs)
            finally:
                self._local.depth -= 1
            self._safely(self._adapted, model, adapters.kind_of(tuner, adapter_name), adapter_name, sys._getframe(1), "")
            return result

        return inject

    def _adapting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def adapt(owner: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.on:
                return real(owner, *args, **kwargs)
            self._local.depth += 1
            try:
                result = real(owner, *args, **kwargs)
            finally:
                self._local.depth -= 1
            if isinstance(owner, torch.nn.Module):
                self._safely(self._adapted, owner, "fused LoRA", "", sys._getframe(1), real.__name__)
            else:
                for part in (getattr(owner, key, None) for key in ("unet", "transformer")):
                    if isinstance(part, torch.nn.Module):
                        self._safely(self._adapted, part, "IP-Adapter", "", sys._getframe(1), real.__name__)
            return result

        return adapt

    def _adapted(self, module: torch.nn.Module, kind: str, name: str, frame: FrameType, how: str) -> None:
        called = self.callers.called(frame)
        found = self._adapters.get(module) or []
        found.append(Adapter(called.line, called.name or how, kind, name))
        self._adapters.put(module, found)
