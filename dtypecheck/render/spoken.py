"""Texts about a watched run with the script's own names: `pipe.vae.decoder` for `vae.decoder`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from ..subjects.shown import Run
from .words_watch import dtypes_of

_BEFORE: Final = (" to ", " in ", " before ", "; ")
"""What stands in front of a module in the words of a finding."""
_PATH: Final = re.compile(r"(?<![\w./-])[A-Za-z_]\w*(?:\.\w+)*")


def speaker(runs: Iterable[Run]) -> Callable[[str], str]:
    """A function that puts the script's variable in front of the module paths in a text: `pipe.vae.decoder` for `vae.decoder`."""
    given = [
        partial(_spoken, variable=run.variable, paths=_paths(run), names=set(dtypes_of(run))) for run in runs if run.variable
    ]

    def speak(text: str) -> str:
        for spoken in given:
            text = _PATH.sub(spoken, text)
        return text

    return speak


def _spoken(found: re.Match[str], variable: str, paths: set[str], names: set[str]) -> str:
    """One path of a text: of a module that is known, or of a method of a component. A word alone may be just a word."""
    path, after = found.group(), found.string[found.end() : found.end() + 2]
    first, _, rest = path.partition(".")
    before = found.string[: found.start()]
    alone = (not before or after == " (" or before.endswith(_BEFORE)) and first not in names
    method = after[:1] == "(" and first in names and first != variable
    return f"{variable}.{path}" if (path in paths and (rest or alone)) or (rest and method) else path


def _paths(run: Run) -> set[str]:
    """Every module path that a finding may name; of a lone module whose paths begin at its own root those below it."""
    named = [row.module for row in run.modules] + [event.module for event in run.events]
    for producer in run.producers:
        named += [producer.module, producer.carried_to, producer.killed_by, producer.before_module]
        named += [frame.module for frame in producer.before]
    named += [picture.producer for picture in run.pictures] + [healing.module for healing in run.healed]
    named += [departure.module for departure in run.departures] + [run.module]
    if run.crash:
        named += [run.crash.module, *(operand.made for operand in run.crash.operands)]
    return {name for name in named if name and name != run.variable and not name.startswith(f"{run.variable}.")}
