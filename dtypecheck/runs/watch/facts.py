"""What a component is made of, written down while it lives: a script may have let it go when its report is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...dtypes import DType
from ...knowledge import Knowledge
from ...subjects import Component, Request
from ...subjects.shown import Event
from . import live, silent
from .names import Root, main_dtype


@dataclass(frozen=True, slots=True)
class Facts:
    """component: the record of it. nbytes: of its parameters. events: what is silently wrong with it; paths below the root."""

    component: Component
    nbytes: int
    main: DType | None
    events: tuple[Event, ...]


def look(root: Root, known: Knowledge, request: Request, story: Any) -> Facts | None:
    """The facts of a root as it is now, None when it is gone. story: what became of it since it was made, None if nobody saw."""
    module = root.module()
    if module is None:
        return None
    component = live.component(root.name, module, known)
    main = main_dtype(module)
    cast = story.casts[-1].line if story is not None and story.casts else ""
    events = (
        *silent.mixed(module),
        *silent.lost(module, main, component, request, known, cast),
        *silent.tables(module, main, cast),
    )
    nbytes = sum(tensor.numel() * tensor.element_size() for tensor in module.parameters())
    return Facts(component, nbytes, main, events)
