"""A crash while it happens: which module, what it holds, what it was given, who made that, and since when."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import torch

from ...checks.words import OWN
from ...dtypes import DType
from ...knowledge import Knowledge
from ...messages.fill import fill
from ...messages.find import Found, parse
from ...messages.rows import Row, rows
from ...subjects.shown import Crash, Operand
from ..about import about_dtypes
from ..modules import dtype_of
from ..origins import Origin
from ..words import place
from . import frames
from .makers import Makers
from .names import Names
from .reduced import floats
from .steps import Call
from .variables import INSTALLED, variable_of

_INNER: Final = ("/torch/", "/diffusers/models/", "/diffusers/utils/", "/transformers/", "/accelerate/", "/peft/", "/runs/watch/")
"""Where a call passes on its way from a pipeline to a component."""
_STAGES: Final = {
    "text_encoder": "encode prompt",
    "denoiser": "denoise",
    "controlnet": "denoise",
    "vae": "decode",
    "image_encoder": "encode image",
}


class Messages:
    """The catalogue of messages, read when the first exception comes."""

    def __init__(self, known: Knowledge) -> None:
        self.known = known

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every row."""
        return rows(self.known)

    def of(self, fault: BaseException) -> Found | None:
        """The row that an exception's text fits, None if none does."""
        return parse(str(fault), self.rows)

    def about_dtypes(self, fault: BaseException) -> bool:
        """Whether the text of an exception speaks of dtypes, or of numbers that got lost."""
        found = self.of(fault)
        if found is not None:
            return found.row.kind in ("crash", "nan") and found.row.about != "device"
        return about_dtypes(fault)

    def completed(self, crash: Crash, fault: BaseException) -> Crash:
        """The crash with what the catalogue says, where nothing better is known."""
        found = self.of(fault)
        if found is None or found.row.kind not in ("crash", "nan"):
            return crash
        operands = crash.operands or found.operands
        floating = {operand.dtype for operand in operands if operand.dtype.is_float}
        alike = [Operand("destination", dtype) for dtype in floating] if len(floating) == 1 else []
        blanks = (*found.operands, *operands, *alike)
        means, do = (fill(text, blanks, found.values) for text in (found.row.means, found.row.do[0] if found.row.do else ""))
        return replace(crash, operands=operands, why=crash.why or means, remedy=crash.remedy or do)


def crash_of(fault: BaseException, failed: tuple[Any, ...] | None, outer: tuple[Any, ...] | None, seen: Seen) -> Crash:
    """failed, outer: call, module, args and kwargs of the innermost module that raised and of the outermost one."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    operands: tuple[Operand, ...] = ()
    module = operator = role = ""
    if failed is not None:
        call, part, args, kwargs = failed
        module, operator = seen.names.path(call.row), call.row.klass.lower()
        operands = tuple(_operands(call, part, args, kwargs, outer, seen))
        if not any(operand.role in OWN for operand in operands):
            operands = tuple(_traced(fault, call, outer, seen)) or operands
        role = seen.roles.get(call.row.root.name, "")
    else:
        operands = frames.operands(fault)[2]
    passed = frames_of(fault)
    return Crash(
        module,
        operator,
        lines[0] if lines else type(fault).__name__,
        operands,
        glue=_glue(passed),
        script=seen.own_line(fault),
        stage=_STAGES.get(role, "call"),
    )


class Seen:
    """What the explanation of a crash asks: names, makers, the calls of this step, roles by component, and the user's lines."""

    def __init__(self, names: Names, makers: Makers, roles: dict[str, str], owns: Any, shown: Any) -> None:
        self.names = names
        self.makers = makers
        self.roles = roles
        self.owns = owns
        self.shown = shown
        self.calls: list[Call] = []

    def own_line(self, fault: BaseException) -> str:
        """The innermost line of the user's that the exception came through."""
        own = [frame for frame in frames_of(fault) if self.owns(frame[0])]
        return str(self.shown(f"{own[-1][0]}:{own[-1][1]}")) if own else ""


def _operands(
    call: Call, part: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], outer: tuple[Any, ...] | None, seen: Seen
) -> Iterator[Operand]:
    """What the innermost module was given, the strange ones first, and what it holds itself."""
    path = seen.names.path(call.row)
    own = [(name, value) for name, value in part._parameters.items() if value is not None and value.is_floating_point()]
    held = {value.dtype for _, value in own}
    given = given_to(call, args, kwargs)
    strange = [(name, tensor) for name, tensor in given if tensor.dtype not in held] if held else given
    for name, tensor in (strange or given)[: 1 if own else 4]:
        role = name if name in ("query", "key", "value") else "mask" if "mask" in name else "input"
        origin, through = _origin(tensor, call, outer, seen)
        made = str(origin) if origin else through
        yield Operand(role, dtype_of(tensor), seen.shown(made), origin.component if origin else "", _where(origin, seen))
    for name, value in own:
        yield Operand(name if name in ("weight", "bias") else "weight", dtype_of(value), f"{path}.{name}", call.row.root.name)


def _traced(fault: BaseException, call: Call, outer: tuple[Any, ...] | None, seen: Seen) -> Iterator[Operand]:
    """What met in a module's own code, as the failing line names it."""
    given = given_to(outer[0], outer[2], outer[3]) if outer is not None else []
    for operand in frames.operands(fault)[2]:
        if operand.role in OWN:
            yield replace(operand, component=call.row.root.name)
            continue
        held = next(
            (t for _, t in given if dtype_of(t) is operand.dtype and dtype_of(t) is not call.row.root.main and t.dim()), None
        )
        origin = _origin(held, call, outer, seen)[0] if held is not None else None
        if origin is None:
            yield operand
        else:
            yield replace(operand, made=seen.shown(str(origin)), component=origin.component, where=_where(origin, seen))


def given_to(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, torch.Tensor]]:
    """The floating tensors that a module was given, by the names of its arguments."""
    names = (*call.row.parameters, *[""] * len(args))
    found = [(name, tensor) for name, value in zip(names, args, strict=False) for tensor in floats(value, [])]
    return found + [(name, tensor) for name, value in kwargs.items() for tensor in floats(value, [])]


def _origin(tensor: torch.Tensor, call: Call, outer: tuple[Any, ...] | None, seen: Seen) -> tuple[Origin | None, str]:
    """Who made a tensor: whoever was seen to; else what came into the component in its dtype; else the module that made it so."""
    if (known := seen.makers.of(tensor)) is not None:
        return _lent(known, tensor, seen), ""
    root = call.row.root
    if outer is not None:
        given = given_to(outer[0], outer[2], outer[3])
        for name, other in given:
            if other.dtype is tensor.dtype and other.dim() and _dtype(root.main) is not other.dtype:
                origin = seen.makers.of(other) or _argument(name, other, outer, seen)
                return (_lent(replace(origin, through=name), other, seen) if origin else None), ""
    for made in seen.calls:
        if tensor.dtype in made.outputs and tensor.dtype not in made.inputs:
            return None, seen.names.path(made.row)
    return None, ""


def _argument(name: str, tensor: torch.Tensor, outer: tuple[Any, ...], seen: Seen) -> Origin | None:
    """A tensor that nobody was seen to make, by the name its caller has for it.

    What a pipeline or a keyword names is called so; the name of a place in `forward` is none that the caller of a module knows.
    """
    if (variable := variable_of(tensor, sys._getframe(1))) or name in outer[3] or outer[0].row.root.is_component:
        return Origin("argument", variable or name)
    return None


def _lent(origin: Origin, tensor: torch.Tensor, seen: Seen) -> Origin:
    """What code made of a component's output, in the dtype that this component has, is the component's."""
    mains = {root.name: root.main for root in seen.names.roots if root.steps}
    if origin.kind == "code" and origin.after and mains.get(origin.after) is dtype_of(tensor):
        return Origin("component", origin.after, origin.through, origin.where)
    return origin


def _dtype(dtype: DType | None) -> torch.dtype | None:
    return getattr(torch, dtype.torch) if dtype and dtype.torch else None


def _where(origin: Origin | None, seen: Seen) -> str:
    return str(seen.shown(origin.where)) if origin else ""


def frames_of(fault: BaseException) -> list[tuple[str, int]]:
    """File and line of all that runs and ran when an exception came up, the outermost first."""
    trace, found = fault.__traceback__, []
    frame = trace.tb_frame.f_back if trace else None
    while frame is not None:
        found.append((frame.f_code.co_filename.replace("\\", "/"), frame.f_lineno))
        frame = frame.f_back
    found.reverse()
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename.replace("\\", "/"), trace.tb_lineno))
        trace = trace.tb_next
    return found


def _glue(frames: list[tuple[str, int]]) -> str:
    """The library's line that called the component; "" where the user's own line did."""
    at = next((i for i, (path, _) in enumerate(frames) if path.endswith("/runs/watch/hooks.py")), len(frames))
    before = [frame for frame in frames[:at] if not frame[0].startswith("<") and not any(part in frame[0] for part in _INNER)]
    if not before or not any(part in before[-1][0] for part in INSTALLED):
        return ""
    return place(*before[-1])
