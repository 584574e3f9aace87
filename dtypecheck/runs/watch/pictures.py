"""Follows pictures on their way out: what the decoder gave, what was made of that, and which file it went to."""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import ModuleType
from typing import Any, Final

import torch

from ...subjects.numbers import Picture
from ..script.changes import Changes, on_import
from .album import Album, Batch, flag
from .looks import Looks, colour_of, is_array, looks_of, tensor_of
from .outlets import CHECKERS, CONVERTERS, OUTPUTS, SAVERS, Make, Outlet, path_of, pixels_of
from .safely import Safely

_CAST: Final = "invalid value encountered in cast"
"""What NumPy says where NaN becomes a byte."""


class _Local(threading.local):
    """busy: a converter or saver runs, what it calls in turn is no news. current: what it converts. flags: for what comes."""

    def __init__(self) -> None:
        self.busy = False
        self.current: Batch | None = None
        self.flags: list[bool] = []


def words(picture: Picture) -> str:
    """The line below NumPy's warning."""
    numbers = {"nan": "NaN", "inf": "inf"}.get(picture.verdict, picture.verdict)
    by = f", made so by {picture.producer}" if picture.producer else ""
    return f"dtypecheck: image {picture.number} of {picture.of} was {numbers} before it became a picture{by}"


class Pictures:
    """The pictures of a run, as long as it is on; each once, from the decoder to the file.

    on_bad: told of each that is not finite as soon as that is known; what it raises goes through to the script. call: the number
    of the pipeline's call that is running. explain: the line below NumPy's warning of NaN that became bytes, "" for none.
    faults: what failed in here, which never reaches the script.
    """

    def __init__(
        self,
        on_bad: Callable[[Picture], None] | None = None,
        call: Callable[[], int] = lambda: 1,
        explain: Callable[[Picture], str] = words,
    ) -> None:
        self.on_bad = on_bad
        self.explain = explain
        self.on = False
        self._safely = Safely()
        self.faults = self._safely.faults
        self.album = Album(call)
        self._stack = ExitStack()
        self._local = _Local()

    def __enter__(self) -> Pictures:
        changes = self._stack.enter_context(Changes())
        wanted: dict[str, list[tuple[Outlet, Make]]] = {}
        makes: list[tuple[Outlet, Make]] = [(it, self._converting) for it in CONVERTERS]
        makes += [(it, self._checking) for it in CHECKERS] + [(it, self._giving) for it in OUTPUTS]
        for outlet, make in [*makes, *((it, self._saving(it)) for it in SAVERS)]:
            wanted.setdefault(outlet.module, []).append((outlet, make))

        def act(module: ModuleType) -> None:
            for outlet, make in wanted[module.__name__]:
                for place, name in outlet.places(module):
                    self._safely(changes.wrap, place, name, make)

        self._stack.enter_context(on_import(dict.fromkeys(wanted, act)))
        self._stack.callback(self._warning())
        self.on = True
        return self

    def __exit__(self, *_: object) -> None:
        self.on = False
        self._stack.close()

    def seen(self) -> tuple[Picture, ...]:
        """All pictures so far, in the order they came."""
        return self._safely(self.album.pictures) or ()

    def decoded(self, output: Any, producer: str = "") -> None:
        """A decoder gave this: a tensor, a tuple that begins with one, or an object with a `sample`; pictures of -1 to 1.

        producer: the module path that spoilt it, if that is known. What lies on another device than the CPU is reduced there, and
        fetched when it is converted. errors: what `on_bad` raises.
        """
        if self.on and not torch.compiler.is_compiling():
            self._tell(self._safely(self._decoded, output, producer))

    def _decoded(self, output: Any, producer: str) -> Batch | None:
        output = output[0] if isinstance(output, (tuple, list)) and output else getattr(output, "sample", output)
        tensor = None if is_array(output) else tensor_of(output)
        if tensor is None or tensor.dim() not in (4, 5) or not tensor.is_floating_point() or not tensor.numel():
            return None
        batch = self.album.add("decode", tensor, producer)
        self.album.link(output, batch)
        return batch if tensor.device.type == "cpu" else None

    def _tell(self, batch: Batch | None) -> None:
        """Call back for what is newly known as bad."""
        if batch is None or self.on_bad is None:
            return
        self._safely(batch.settle)
        for one in batch.ones:
            if one.looks.bad and not one.told:
                one.told = True
                self.on_bad(one.picture)

    # Numbers become pictures

    def _converting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def convert(*args: Any, **kwargs: Any) -> Any:
            local = self._local
            if torch.compiler.is_compiling() or not self.on or local.busy or _stays_latent(args, kwargs):
                return real(*args, **kwargs)
            local.busy = True
            local.current = self._safely(self._taken, (*args, *kwargs.values()))
            try:
                result = real(*args, **kwargs)
            finally:
                batch, local.current, local.busy = local.current, None, False
            self._safely(self._made, batch, result)
            self._tell(batch)
            return result

        return convert

    def _taken(self, values: Iterable[Any]) -> Batch | None:
        """The batch that goes into a converter: a new one, or one that went in before."""
        value = next((it for it in values if isinstance(it, torch.Tensor) or is_array(it)), None)
        tensor = tensor_of(value)
        if tensor is None or tensor.ndim < 3 or not tensor.numel():
            return None
        tensor = tensor[None] if tensor.ndim == 3 else tensor
        known = self.album.held(value)
        if known is not None and known.stage != "decode" and known.ones[0].call == self.album.call():
            return self.album.again(known, tensor)
        batch = self.album.add("postprocess", tensor)
        self.album.link(value, batch)
        return batch

    def _made(self, batch: Batch | None, result: Any) -> None:
        """What a converter gave for a batch."""
        if batch is None:
            return
        self.album.converted(batch)
        flags, self._local.flags = self._local.flags, []
        if len(flags) == len(batch.ones):
            flag(batch.ones, flags)
        result = result[0] if isinstance(result, tuple) and result else result  # with depth beside it
        self.album.link(result, batch)
        shown = result[0] if len(result) == 1 and len(batch.ones) > 1 else result
        if len(shown) != len(batch.ones):
            return
        for number, (one, picture) in enumerate(zip(batch.ones, shown, strict=True)):
            numbers = isinstance(picture, torch.Tensor) or is_array(picture)
            for part in picture if isinstance(picture, list) else [] if numbers else [picture]:
                self.album.link(part, batch, number)
            here = not isinstance(picture, torch.Tensor) or picture.device.type == "cpu"
            colour = colour_of(picture, not isinstance(picture, torch.Tensor)) if one.looks.verdict == "ok" and here else ""
            if colour:
                one.looks = Looks("uniform", colour)

    # The safety checker

    def _checking(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def check(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            if self.on and not torch.compiler.is_compiling():
                self._safely(self._checked, (kwargs.get("images"), *args[2:3]), result)
            return result

        return check

    def _checked(self, images: Iterable[Any], result: Any) -> None:
        flags = [bool(it) for it in result[1]]
        if not any(flags):
            return
        for thing in (*images, result[0]):
            batch = self.album.held(thing)
            if batch is not None and batch.stage != "decode" and len(batch.ones) == len(flags):
                flag(batch.ones, flags)
                return
        self._local.flags = flags

    def _giving(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def give(output: Any, *args: Any, **kwargs: Any) -> Any:
            result = real(output, *args, **kwargs)
            if self.on and not torch.compiler.is_compiling():
                flags = getattr(output, "nsfw_content_detected", None) or getattr(output, "nsfw_detected", None)
                if isinstance(flags, (list, tuple)) and any(flags):
                    self._safely(self._given, output, flags)
            return result

        return give

    def _given(self, output: Any, flags: list[Any] | tuple[Any, ...]) -> None:
        """A pipeline's own result says which pictures were blanked: by whatever checker."""
        images = getattr(output, "images", None)
        whole = self.album.found(images)
        if len(whole) == len(flags):
            flag(whole, flags)
        elif images is not None:
            for image, flagged in zip(images, flags, strict=False):
                flag(self.album.found(image), [flagged])

    # Files

    def _saving(self, outlet: Outlet) -> Make:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(real)
            def save(*args: Any, **kwargs: Any) -> Any:
                local = self._local
                if not self.on or local.busy:
                    return real(*args, **kwargs)
                local.busy = True
                try:
                    result = real(*args, **kwargs)
                finally:
                    local.busy = False
                for batch in self._safely(self._saved, outlet, args, kwargs) or ():
                    self._tell(batch)
                return result

            return save

        return make

    def _saved(self, outlet: Outlet, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Batch]:
        """Pictures went to a file. One that nobody saw before is news only where it is not well."""
        path, news = path_of(outlet, args, kwargs), []
        for thing in pixels_of(outlet, args, kwargs):
            ones = self.album.found(thing)
            looks = Looks() if ones else looks_of(thing)
            before = None if ones else self.album.source(looks.colour)
            for one in [*ones, *([before] if before else [])]:
                one.path = one.path or path
            if not ones and before is None and looks.verdict != "ok":
                news.append(self.album.one(looks, path))
        return news

    # NumPy's warning

    def _warning(self) -> Callable[[], None]:
        """Say below NumPy's own warning which picture it is about; gives what takes that back."""
        before = warnings.showwarning

        @functools.wraps(before)
        def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None) -> None:
            before(message, category, filename, lineno, file, line)
            text = self._safely(self._about) if self.on and _CAST in str(message) else ""
            if text:
                (file or sys.stderr).write(f"{text}\n")

        def back() -> None:
            if warnings.showwarning is show:
                warnings.showwarning = before

        warnings.showwarning = show
        return back

    def _about(self) -> str:
        current = self._local.current
        if current is not None:
            self.album.converted(current)
        one = next((it for it in current.ones if it.looks.bad), None) if current is not None else self.album.last_bad()
        return self.explain(one.picture) if one is not None else ""


def _stays_latent(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return "latent" in (*(it for it in args if isinstance(it, str)), kwargs.get("output_type"))
