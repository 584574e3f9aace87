"""Whether a rehearsal of the pipeline ends worse after some edits: what a scan cannot know, where torch is there to ask."""

from __future__ import annotations

from collections.abc import Iterable

from ...edits import Edit
from ...engine import planned
from ...files import Files
from ...knowledge import Knowledge
from ...subjects import Pipeline, Request
from ..overlay import after


def worsened(files: Files, edits: Iterable[Edit], request: Request, known: Knowledge) -> str:
    """Where the call of the pipeline would crash after the edits and does not now, in words; nothing where it is no worse.

    What is loaded and the settings decide how a rehearsal ends: where neither changes there is none. Needs torch, diffusers
    and transformers.
    """
    from ..verify import rehearsed, worse

    then = after(files, edits)
    was = [_decides(pipeline) for pipeline in planned(files, request, known)]
    if [_decides(pipeline) for pipeline in planned(then, request, known)] == was:
        return ""
    device = request.device or "cuda"
    run = rehearsed(then, request, known, device)
    if run is None or run.verdict != "crashes":
        return ""
    reason = worse(rehearsed(files, request, known, device), run)
    return f"after it {reason}" if reason else ""


def _decides(pipeline: Pipeline) -> object:
    """All of a pipeline that a rehearsal depends on."""
    parts = [(c.name, c.klass, dict(c.loads().counts), c.config.data if c.config else None) for c in pipeline.components]
    return pipeline.path, pipeline.config.data if pipeline.config else None, parts
