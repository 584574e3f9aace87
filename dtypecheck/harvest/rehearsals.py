"""What a rehearsal of each pipeline class shows, as the rows `runs` and `crashes` of pipelines.toml: so a scan needs no torch to know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..dtypes import BF16, F16, F32, DType
from ..knowledge import Knowledge
from ..loading import plan
from ..request import versions
from ..subjects import Config, Pipeline, Request
from .rows import merge

if TYPE_CHECKING:
    from ..runs.small import Small
    from ..subjects.shown import Run

Row = dict[str, Any]
Told = Callable[[str], None]
ALONE: Final = ((F16, F32), (BF16, F32), (F32, F16))
"""All the rest, and a part beside the denoiser that differs from it."""
BESIDE: Final = {"controlnet": ("controlnet",), "other": ("image_encoder", "other")}
_NAMES: Final = {"te": ("text_encoder",), "vae": ("vae",), **BESIDE}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The rows by class, and why a class has none."""

    rows: Mapping[str, Row]
    missing: Mapping[str, str]


def rehearsed(known: Knowledge, device: str, only: Callable[[str], bool] = lambda _: True, told: Told = lambda _: None) -> Rehearsed:
    """Rehearse every pipeline class of the installed diffusers that is not deprecated, in every sensible dtype plan."""
    from ..runs.shrunken import known_classes, missing_classes

    rows: dict[str, Row] = {}
    missing = {name: why for name, why in missing_classes(known).items() if only(name)}
    for name in filter(only, known_classes(known)):
        try:
            row, undecided = of_class(name, known, device)
        except LookupError as fault:
            row, undecided = {}, str(fault)
        told(name)
        if row.get("runs") or row.get("crashes"):
            rows[name] = row
        else:
            missing[name] = undecided or "no dtype plan could be rehearsed"
    return Rehearsed(rows, missing)


def of_class(name: str, known: Knowledge, device: str) -> tuple[Row, str]:
    """The row of one class, and why the plans are missing that no verdict came of. errors: LookupError when it cannot be built."""
    from ..runs.rehearse import rehearse
    from ..runs.small import small

    made = small(name, known)
    runs: list[Row] = []
    crashes: list[Row] = []
    undecided = ""
    for pipeline, said in _variants(made, known):
        for dtypes, words in plans(pipeline):
            request = Request({"": F32, **dtypes}, libraries=versions(()))
            run = rehearse(plan(pipeline, request, known), None, known, device, instead=made.rest)
            if run.verdict == "runs":
                runs.append(words | said)
            elif run.verdict == "crashes" and run.confirmed:
                crashes.append(words | said | crashed(run))
            else:
                undecided = run.reason
    stamp = {library: version for library, version, _ in versions(())}
    return {"runs": runs, "crashes": crashes, "rehearsed": {"device": device, **stamp}}, undecided


def crashed(run: Run) -> Row:
    """Where and how a run crashed."""
    crash = run.crash
    if crash is None:
        return {}
    return {"at": crash.module, "stage": crash.stage, "says": crash.message, "glue": crash.glue}


def _variants(made: Small, known: Knowledge) -> Iterator[tuple[Pipeline, Row]]:
    """The pipeline, or two of it where its class reads force_upcast from the VAE's config."""
    pipeline = made.pipeline
    vae = next(iter(pipeline.of_role("vae")), None)
    if vae is None or vae.config is None or not known.row("pipelines", pipeline.klass or "").get("reads_force_upcast"):
        yield pipeline, {}
        return
    for upcast in (True, False):
        changed = replace(vae, config=Config(vae.config.path, {**vae.config.data, "force_upcast": upcast}))
        yield replace(pipeline, components=tuple(changed if c is vae else c for c in pipeline.components)), {"upcast": upcast}


def plans(pipeline: Pipeline) -> Iterator[tuple[dict[str, DType], Row]]:
    """Each dtype plan by component, and by role as a row says it; parts beside the denoiser have its dtype if nothing is said."""
    from ..runs.matrix import PLANS

    def by_role(dtypes: Mapping[str, DType], rest: DType) -> dict[str, DType]:
        roles = {role: name for name, members in _NAMES.items() for role in members}
        return {part.name: dtypes.get(roles.get(part.role, "denoiser"), rest) for part in pipeline.components}

    has = {name for name, roles in _NAMES.items() if pipeline.of_role(*roles)}
    has |= {"denoiser"} if pipeline.of_role("denoiser") else set()
    done = set()
    for te, denoiser, vae in PLANS:
        words = {"te": te, "denoiser": denoiser, "vae": vae}
        dtypes = by_role(words, denoiser)
        if (key := tuple(dtypes.values())) not in done:
            done.add(key)
            yield dtypes, {name: dtype.name for name, dtype in words.items() if name in has}
    for beside in BESIDE:
        for rest, own in ALONE if beside in has and "denoiser" in has else ():
            words = {"te": rest, "denoiser": rest, "vae": rest, beside: own}
            yield by_role(words, rest), {name: dtype.name for name, dtype in words.items() if name in has}


def joined(old: Row, new: Row) -> Row:
    """A row with what was rehearsed in it; everything else of it stays."""
    found = {key: value for key, value in old.items() if key not in ("runs", "crashes", "rehearsed", "source")}
    return {**found, **new, **({"source": old["source"]} if "source" in old else {})}


def written(text: str, rows: Mapping[str, Row]) -> str:
    """The text of pipelines.toml with the rows in it. Classes that the file does not have are left to the reading of the source."""
    return merge(text, rows, lambda row: not row.get("by_hand") or "runs" in row, joined)


def differing(old: Row, new: Row) -> Iterable[str]:
    """In words, the plans on which a new row says otherwise than the old one."""
    before, after = _by_plan(old), _by_plan(new)
    for key in after.keys() & before.keys():
        if before[key] != after[key]:
            yield f"{', '.join(f'{name} {value}' for name, value in key)}: {before[key]} -> {after[key]}"


def _by_plan(row: Row) -> dict[tuple[tuple[str, Any], ...], str]:
    words = ("at", "stage", "says", "glue")
    found = {}
    for record in (*row.get("runs", ()), *row.get("crashes", ())):
        key = tuple(sorted((name, value) for name, value in record.items() if name not in words))
        found[key] = f"crashes at {record['at']} ({record['stage']})" if "at" in record else "runs"
    return found
