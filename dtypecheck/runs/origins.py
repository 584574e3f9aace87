"""Who brought a tensor: a parameter, a component, a caller's argument or a line of code; handed on by every operator."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final

import torch

from .words import place

_NAME: Final = "_dtypecheck_origin"
_OURS: Final = __name__.rpartition(".")[0].replace(".", "/")


TYPED: Final = ("<stdin>", "<ipython-input")
"""How files are called that somebody types in."""
_KINDS: Final = ("component", "argument", "code", "parameter")
"""Who is named where several had a hand in a tensor, the first of them."""


def _rank(origin: Origin) -> int:
    return _KINDS.index(origin.kind)


@dataclass(frozen=True, slots=True)
class Origin:
    """What made a tensor. kind: "parameter", "component", "argument", "code".

    name: the parameter's path, the component, the argument, or the function whose line made it. through: the name by which
    a component was given it. where: the line that made it, or cast it if one did. after: the last component whose output
    had any part in it.
    """

    kind: str
    name: str
    through: str = ""
    where: str = ""
    after: str = ""

    @property
    def component(self) -> str:
        """The component among the makers, "" for arguments and code."""
        return self.name.partition(".")[0] if self.kind in ("parameter", "component") else ""

    def __str__(self) -> str:
        match self.kind:
            case "argument":
                text = f"the argument {self.name}"
            case "code":
                text = f"{self.name}() at {self.where}" if self.where else f"{self.name}()"
                text = self.where if self.where and self.name.startswith("<") else text
            case _:
                text = self.name
        return f"{text} ({self.through})" if self.through and self.through != self.name else text


def of(tensor: torch.Tensor) -> Origin | None:
    """The origin of a tensor, None if nobody said."""
    found = tensor.__dict__.get(_NAME) if hasattr(tensor, "__dict__") else None
    return found if isinstance(found, Origin) else None


def mark(tensor: torch.Tensor, origin: Origin) -> None:
    """Say where a tensor comes from."""
    tensor.__dict__[_NAME] = origin


def hand_on(
    inputs: list[torch.Tensor],
    outputs: list[torch.Tensor],
    find: Callable[[torch.Tensor], Origin | None] = of,
    note: Callable[[torch.Tensor, Origin], None] = mark,
    above: int = 1,
) -> None:
    """Give each floating output the origin of the input that decided its dtype; what nobody made, the line that runs made.

    find, note: where origins are kept, on the tensors themselves by default. above: frames between the caller and what runs.
    """
    for out in outputs:
        if not out.is_floating_point():
            continue
        if any(out is given for given in inputs):
            continue
        floats = [t for t in inputs if t.is_floating_point()]
        same = [t for t in floats if t.dtype == out.dtype]
        makers = [o for t in same or floats if (o := find(t)) is not None]
        chosen = min(makers, key=_rank, default=None)
        if chosen is None or (floats and not same and chosen.kind != "parameter"):
            frame = sys._getframe(above + 1)
            chosen = Origin("code", function(frame), where=line(frame))
        after = next((o.name for t in floats if (o := find(t)) is not None and o.kind == "component"), "")
        after = after or next((o.after for t in floats if (o := find(t)) is not None and o.after), "")
        note(out, replace(chosen, after=after) if after != chosen.after else chosen)


def through(tensor: torch.Tensor, name: str) -> None:
    """Say under which name a component was given a tensor."""
    found = of(tensor)
    if found and found.through != name:
        mark(tensor, replace(found, through=name))


def _foreign(frame: FrameType | None) -> FrameType | None:
    """The nearest frame that is neither ours nor torch's own."""
    while frame is not None:
        path = frame.f_code.co_filename.replace("\\", "/")
        ours = _OURS in path or path.endswith("/dtypecheck/notebook.py")
        if "/torch/" not in path and not ours and (not path.startswith("<") or path.startswith(TYPED)):
            return frame
        frame = frame.f_back
    return None


def function(frame: FrameType) -> str:
    """The name of the function that a tensor was made in."""
    found = _foreign(frame)
    return found.f_code.co_name if found else "code"


def line(frame: FrameType | None) -> str:
    """File and line of the nearest frame that is neither ours nor torch's."""
    found = _foreign(frame)
    return place(found.f_code.co_filename, found.f_lineno) if found else ""


def tensors(values: Any, found: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
    """Every tensor among the arguments or results of an operator, lists looked into."""
    found = [] if found is None else found
    if isinstance(values, torch.Tensor):
        found.append(values)
    elif isinstance(values, (list, tuple)):
        for value in values:
            tensors(value, found)
    elif isinstance(values, dict):
        for value in values.values():
            tensors(value, found)
    return found
