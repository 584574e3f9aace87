"""Where two components of a pipeline hand tensors to each other in different dtypes, and what happens there.

Three boundaries: prompt embeddings into the denoiser, latents into the VAE, ControlNet or image encoder beside the denoiser.
What happens is looked up among recorded real runs of the pipeline class (`runs`, `crashes` of pipelines.toml); where no run
of these dtypes was recorded, what the pipeline's source says (`embeds`, `decode`) serves, as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..dtypes import F16, DType
from ..knowledge import Knowledge, Row
from ..subjects import Component, Pipeline
from .support import force_upcast

SIDE_ROLES = ("controlnet", "image_encoder")


@dataclass(frozen=True, slots=True)
class Meeting:
    """A crash at a boundary. giver's tensors arrive in `given`, the taker's weights are `has`.

    module: where it crashes, from the component on. recorded: True when a real run crashed so. says: PyTorch's text.
    glue: the library's line that hands the tensor over. stage: encode prompt, denoise, decode.
    """

    giver: Component
    taker: Component
    given: DType
    has: DType
    module: str
    stage: str
    recorded: bool
    says: str = ""
    glue: str = ""


def meetings(pipeline: Pipeline, known: Knowledge) -> Iterator[Meeting]:
    """The crashes of a planned pipeline, in the order in which a call would reach them."""
    row = known.row("pipelines", pipeline.klass or "")
    if not row:
        return
    denoisers = _loaded(pipeline.of_role("denoiser"))
    for denoiser, has in denoisers:
        for role in ("text_encoder", *SIDE_ROLES):
            for giver, given in _loaded(pipeline.of_role(role)):
                if given is not has and (met := _embeds(row, giver, given, denoiser, has, role)):
                    yield met
    for vae, has in _loaded(pipeline.of_role("vae")):
        for denoiser, given in denoisers[:1]:
            if given is not has and (met := _latents(row, denoiser, given, vae, has, force_upcast(vae, known))):
                yield met


def _loaded(components: tuple[Component, ...]) -> list[tuple[Component, DType]]:
    """The components with the dtype they compute in, those left out whose dtype is not known or that are packed."""
    return [(c, dtype) for c in components if (dtype := c.loads().dtype) is not None and c.quantised is None]


def _embeds(row: Row, giver: Component, given: DType, denoiser: Component, has: DType, role: str) -> Meeting | None:
    short = {"text_encoder": "te", "controlnet": "controlnet", "image_encoder": "other"}[role]
    for crash in row.get("crashes", ()):
        if (crash.get(short), crash.get("denoiser")) == (given.name, has.name) and crash["stage"] != "decode" and _alone(crash, short):
            return _met(giver, denoiser, given, has, crash)
    if _ran(row, short, given, has) or role != "text_encoder" or row.get("embeds") != "same":
        return None
    return Meeting(giver, denoiser, given, has, denoiser.name, "denoise", False)


def _alone(crash: Row, role: str) -> bool:
    """True when in the recorded run only this role differed from the denoiser, or the crash was before the VAE's turn."""
    return role == "te" or all(crash.get(other, crash["denoiser"]) == crash["denoiser"] for other in ("te", "vae"))


def _ran(row: Row, role: str, given: DType, has: DType) -> bool:
    return any((run.get(role), run.get("denoiser")) == (given.name, has.name) for run in row.get("runs", ()))


def _latents(row: Row, denoiser: Component, given: DType, vae: Component, has: DType, upcast: bool) -> Meeting | None:
    def same(record: Row) -> bool:
        return (record.get("denoiser"), record.get("vae")) == (given.name, has.name) and record.get("upcast", upcast) == upcast

    for crash in row.get("crashes", ()):
        if same(crash) and crash.get("te", crash["denoiser"]) == crash["denoiser"]:
            return _met(denoiser, vae, given, has, crash)
    if any(map(same, row.get("runs", ()))) or _by_source(row, has, upcast):
        return None
    return Meeting(denoiser, vae, given, has, vae.name, "decode", False)


def _by_source(row: Row, has: DType, upcast: bool) -> bool:
    """True when the pipeline's source shows that it takes latents of another dtype to this VAE."""
    decode = row.get("decode", "unknown")
    if decode in ("none", "unknown") or "cast" in decode.split("+"):
        return True
    return upcast and ((has is F16 and decode == "upcast") or row.get("encode") == "upcast")


def _met(giver: Component, taker: Component, given: DType, has: DType, crash: Row) -> Meeting:
    return Meeting(giver, taker, given, has, crash["at"], crash["stage"], True, crash.get("says", ""), crash.get("glue", ""))
