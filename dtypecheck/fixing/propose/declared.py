"""A conversion that leaves what a config declares: for a pipeline whose other parts load in another dtype by default."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from ...edits import SetKey
from ...fixplan import Refused, Step
from ...subjects import Component, Pipeline

_KEYS: Final = ("/dtype", "/torch_dtype")


def as_declared(step: Step, pipeline: Pipeline) -> Step | Refused | None:
    """The step with the part's config declaring what it is loaded in today; None for other parts than transformers models.

    Without torch_dtype diffusers loads its own parts in float32, whatever is stored, and transformers 5 what is declared: one
    part that declares what it is now stored in would no longer fit the others. Who asks for a dtype notices no difference.
    """
    component = next((c for c in pipeline.components if c.family == "transformers" and step.place == c.path), None)
    dtype = component.loads().dtype if component else None
    if component is None or component.config is None or dtype is None:
        return None
    edits = [edit for edit in step.edits if not (isinstance(edit, SetKey) and edit.pointer in _KEYS)]
    if not _declares(component):
        edits.append(SetKey(component.config.path, "/dtype", json.dumps(dtype.torch)))
    if not edits:
        return Refused(step.place, f"{component.label} is stored so already", done=True)
    kept = [text for text in step.costs if not text.startswith(f"{component.config.path} then declares")]
    said = f"{component.config.path} keeps {dtype.torch}: without torch_dtype the other parts load in {dtype.short} too"
    return replace(step, edits=tuple(edits), costs=(*kept, said))


def _declares(component: Component) -> bool:
    return component.config is not None and component.config.get("dtype", "torch_dtype") is not None
