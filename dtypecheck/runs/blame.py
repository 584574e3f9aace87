"""Which component brought a dtype that no tensor carries along: the one without whose own dtype the crash goes away.

Glue makes tensors "in the dtype of the prompt embeddings": the tensor that crashes then comes from a line of code, not from the
text encoder. So the rehearsal is repeated with one component at a time in the dtype of the part that crashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..dtypes import F32, DType
from ..knowledge import Knowledge
from ..loading import with_dtypes
from ..subjects import Component, Pipeline
from ..subjects.shown import Crash, Run
from .folder import loadable
from .matrix import tried
from .rehearse import rehearse

MOST: Final = 2
"""How many components, or groups of one role, are tried: with more it is the crashing one that stands alone."""


def blamed(pipeline: Pipeline, run: Run, root: Path | None, known: Knowledge, given: Mapping[str, Any] | None = None) -> Run:
    """The run with the component named that brought the other dtype, and the dtype plan that then runs among its remedies."""
    crash = run.crash
    if crash is None or len(crash.operands) < 2:
        return run
    dtypes = _dtypes(pipeline)
    own, other = dtypes.get(crash.component), crash.operands[0].dtype
    suspects = [part for part in pipeline.components if dtypes.get(part.name) is other and part.name != crash.component]
    if own is None or own is other:
        return run
    if by := crash.operands[0].component:
        role = next((part.role for part in suspects if part.name == by), "")
        mates = [part.name for part in suspects if part.role == role == "text_encoder"]
        return replace(run, crash=_named(crash, mates)) if len(mates) > 1 else run
    for names in _groups(suspects):
        changed = {**dtypes, **dict.fromkeys(names, own)}
        planned = with_dtypes(pipeline, {**pipeline.request.dtypes, "": F32, **changed}, known)
        again = rehearse(planned, root, known, run.device, given)
        if again.verdict == "runs":
            found = tried(planned, again, changed, known, run.device)
            more = () if any(dict(one.dtypes) == changed for one in run.remedies) else (found,)
            return replace(run, crash=_named(crash, names), remedies=(*run.remedies, *more))
    return run


def _groups(suspects: list[Component]) -> list[list[str]]:
    """Each suspect alone, or all of one role together; none where there are too many of either."""
    if len(suspects) <= MOST:
        return [[part.name] for part in suspects]
    roles: dict[str, list[str]] = {}
    for part in suspects:
        roles.setdefault(part.role, []).append(part.name)
    return list(roles.values()) if len(roles) <= MOST else []


def _dtypes(pipeline: Pipeline) -> dict[str, DType]:
    found = {part.name: loadable(part, pipeline).loads().dtype for part in pipeline.components}
    return {name: dtype for name, dtype in found.items() if dtype is not None}


def _named(crash: Crash, names: list[str]) -> Crash:
    first, *rest = crash.operands
    made = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return replace(crash, operands=(replace(first, made=made, component=names[0]), *rest))
