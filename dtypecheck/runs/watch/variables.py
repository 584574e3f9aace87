"""What the user's code calls an object: a variable, or an attribute of `self`, in the frames that run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

import torch

INSTALLED: Final = ("/site-packages/", "/dist-packages/", "/lib/python3")
"""What stands in the path of a file that is none of the user's."""
_OURS: Final = __file__.replace("\\", "/").partition("/runs/watch/")[0] + "/"
_READ: Final[set[int]] = set()
"""Frames whose variables were read, by identity."""


def locals_of(frame: FrameType) -> Mapping[str, Any]:
    """The variables of a frame.

    Before Python 3.13 a frame keeps the copy that it hands out, and with it whatever a variable held: `let_go` renews that.
    """
    if sys.version_info < (3, 13):
        _READ.add(id(frame))
    return frame.f_locals


def let_go(frame: FrameType | None) -> None:
    """Let the frames from here outward forget what their variables hold no more: a model that was deleted to free its memory."""
    while frame is not None and _READ:
        if id(frame) in _READ:
            frame.f_locals  # noqa: B018 - reading renews the copy
        frame = frame.f_back


def variable_of(value: Any, frame: FrameType | None) -> str:
    """The script's name for an object: a variable, or an attribute of `self`, in the frames from here outward."""
    while frame is not None:
        path = frame.f_code.co_filename.replace("\\", "/")
        if path.startswith(_OURS) or any(part in path for part in INSTALLED):
            frame = frame.f_back
            continue
        for name, found in list(locals_of(frame).items()):
            if found is value and name.isidentifier() and name not in ("self", "module", "model_self", "_"):
                return name
        owner = locals_of(frame).get("self")
        held = getattr(owner, "__dict__", None) if not isinstance(owner, torch.nn.Module) else None
        for name, found in (held or {}).items():
            if found is value:
                return str(name)
        frame = frame.f_back
    return ""
