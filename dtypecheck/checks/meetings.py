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

RECORDED = {"text_encoder": "te", "controlnet": "controlnet", "image_encoder": "other", "other": "other"}
"""The roles that hand something to the denoiser, by the names that recorded runs call them."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A crash at a boundary. giver's tensors arrive in `given`, the taker's weights are `has`.

    module: where it crashes, from the component on. recorded: True when a real run crashed so. says: PyTorch's text.
    glue: the library's line that hands the tensor over. stage: encode prompt, encode image, denoise, decode, call.
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
        for role in RECORDED:
            for giver, given in _loaded(pipeline.of_role(role)):
                if given is not has and (met := _embeds(row, giver, given, denoiser, has)):
                    yield met
    for vae, has in _loaded(pipeline.of_role("vae")):
        for denoiser, given in denoisers[:1]:
            if given is not has and (met := _latents(row, denoiser, given, vae, has, force_upcast(vae, known))):
                yield met


def crash_of_all(pipeline: Pipeline, known: Knowledge) -> Row | None:
    """The recorded crash of this pipeline class with everything in the one dtype that all of it is loaded in, if there is one."""
    loaded = _loaded(tuple(c for c in pipeline.components if c.role != "safety_checker"))
    dtypes = {dtype for _, dtype in loaded}
    if len(dtypes) != 1 or len(loaded) < 2:
        return None
    name = dtypes.pop().name
    upcast = next((force_upcast(vae, known) for vae in pipeline.of_role("vae")), False)
    for crash in known.row("pipelines", pipeline.klass or "").get("crashes", ()):
        same = all(crash.get(role, name) == name for role in ("te", "denoiser", "vae", "controlnet", "other"))
        if same and crash.get("upcast", upcast) == upcast:
            return dict(crash)
    return None


def _loaded(components: tuple[Component, ...]) -> list[tuple[Component, DType]]:
    """The components with the dtype they compute in, those left out whose dtype is not known or that are packed."""
    return [(c, dtype) for c in components if (dtype := c.loads().dtype) is not None and c.quantised is None]


def _embeds(row: Row, giver: Component, given: DType, denoiser: Component, has: DType) -> Meeting | None:
    """What happens where the denoiser is given something of another dtype: recorded, else by source for text encoders."""
    role = RECORDED[giver.role]
    for crash in row.get("crashes", ()):
        same = (crash.get(role), crash.get("denoiser")) == (given.name, has.name)
        if same and crash["stage"] != "decode" and _alone(crash, role):
            return _met(giver, denoiser, given, has, crash)
    if any(_of(run, role, given, has) for run in row.get("runs", ())):
        return None
    crashes = (crash for crash in row.get("crashes", ()) if role in crash and _alone(crash, role))
    elsewhere = any(crash[role] != crash.get("denoiser") for crash in crashes)
    if elsewhere if role != "te" else row.get("embeds") == "same":
        return Meeting(giver, denoiser, given, has, denoiser.name, "denoise", False)
    return None


def _of(run: Row, role: str, given: DType, has: DType) -> bool:
    return (run.get(role), run.get("denoiser")) == (given.name, has.name)


def _alone(crash: Row, role: str) -> bool:
    """True when in the recorded run nothing else differed from the denoiser that could have crashed before."""
    return all(crash.get(other, crash["denoiser"]) == crash["denoiser"] for other in ("te", "vae") if other != role)


def _latents(row: Row, denoiser: Component, given: DType, vae: Component, has: DType, upcast: bool) -> Meeting | None:
    """What happens between the denoiser and a VAE of another dtype, decoding or encoding."""

    def same(record: Row) -> bool:
        alone = record.get("te", given.name) == given.name
        return (
            alone
            and (record.get("denoiser"), record.get("vae")) == (given.name, has.name)
            and record.get("upcast", upcast) == upcast
        )

    for crash in filter(same, row.get("crashes", ())):
        return _met(denoiser, vae, given, has, crash)
    if any(map(same, row.get("runs", ()))) or _by_source(row, has, upcast):
        return None
    return Meeting(denoiser, vae, given, has, vae.name, "decode", False)


def _by_source(row: Row, has: DType, upcast: bool) -> bool:
    """True when the pipeline's source shows that it takes latents of another dtype to this VAE."""
    decode = row.get("decode", "unknown")
    if decode in ("none", "unknown") or "cast" in decode.split("+"):
        return True
    return upcast and ((has is F16 and decode == "upcast") or row.get("lowers", False))


def _met(giver: Component, taker: Component, given: DType, has: DType, crash: Row) -> Meeting:
    """A recorded crash; where it happened in the component that gives, the two change places."""
    first = crash["at"].partition(".")[0]
    if first == giver.name:
        giver, taker, given, has = taker, giver, has, given
    elif first != taker.name and (other := taker.pipeline.named(first)) and other.loads().dtype:
        taker, has = other, other.loads().dtype or has
    return Meeting(giver, taker, given, has, crash["at"], crash["stage"], True, crash.get("says", ""), crash.get("glue", ""))
