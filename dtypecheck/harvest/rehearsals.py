"""What rehearsals of all pipeline classes show, as `runs` and `crashes` of pipelines.toml: a scan knows it without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..dtypes import BF16, F16, F32, DType
from ..knowledge import Knowledge
from ..loading import plan
from ..request import versions
from ..subjects import Config, Pipeline, Request
from . import Harvest
from .rows import merge

if TYPE_CHECKING:
    from ..runs.phantoms.small import Small
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


def rehearsed(
    known: Knowledge, device: str, only: Callable[[str], bool] = lambda _: True, told: Told = lambda _: None
) -> Rehearsed:
    """Rehearse every pipeline class of the installed diffusers that is not deprecated, in every sensible dtype plan."""
    from ..runs.phantoms.shrunken import known_classes, missing_classes

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
    """The row of one class, and why plans are missing that no verdict came of. errors: LookupError when it cannot be built."""
    from ..runs.phantoms.small import small
    from ..runs.rehearse import rehearse

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
            elif run.crash and run.confirmed and not _of_device(run):
                crashes.append(words | said | crashed(run))
            else:
                undecided = run.reason or f"{device} lacks an operator: {run.crash.message if run.crash else ''}"
    stamp = {library: version for library, version, _ in versions(())}
    return {"runs": runs, "crashes": crashes, "rehearsed": {"device": device, **stamp}}, undecided


def _of_device(run: Run) -> bool:
    """True when it crashed because the device has no such operator, which says nothing about other devices."""
    return run.crash is not None and "not implemented for" in run.crash.message


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
    """Each dtype plan by component, and by role as a row says it; what a row does not name has the denoiser's dtype."""
    from ..runs.matrix import PLANS

    def by_role(dtypes: Mapping[str, DType], rest: DType) -> dict[str, DType]:
        roles = {role: name for name, members in _NAMES.items() for role in members}
        further = pipeline.of_role("vae")[1:]
        return {
            part.name: rest if part in further else dtypes.get(roles.get(part.role, "denoiser"), rest)
            for part in pipeline.components
        }

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
    """The text of pipelines.toml with the rows in it."""
    return merge(text, rows, lambda row: not row.get("by_hand") or "runs" in row, joined)


def refresh(
    rules_dir: Path, device: str, only: Callable[[str], bool] = lambda _: True, told: Told = lambda _: None
) -> tuple[Harvest, Mapping[str, str]]:
    """pipelines.toml with the rows rehearsed anew, what is different in it in words, and the classes without a row."""
    known = Knowledge((rules_dir,))
    found = rehearsed(known, device, only, told)
    text = (rules_dir / "pipelines.toml").read_text("utf-8")
    lines = [line for name, row in found.rows.items() for line in differing(name, known.row("pipelines", name), row)]
    head = f"{len(found.rows)} classes rehearsed on {device}, {len(found.missing)} missing\n"
    after = written(text, found.rows)
    diff = head + "".join(f"{line}\n" for line in lines) if after != text else ""
    return Harvest({"pipelines.toml": after}, diff), found.missing


def differing(name: str, old: Mapping[str, Any], new: Row) -> Iterator[str]:
    """In words, the dtype plans that a new row has and the old one has not, or on which they differ."""
    before, after = _by_plan(old), _by_plan(new)
    fresh = [key for key in after if key not in before]
    if fresh:
        crashes = sum("crashes" in after[key] for key in fresh)
        yield f"  {name}: {len(fresh)} new dtype plans, {crashes} of them crash"
    for key, verdict in after.items():
        if key in before and before[key] != verdict:
            yield f"  {name} ({', '.join(f'{part} {dtype}' for part, dtype in key)}): {before[key]} -> {verdict}"


def _by_plan(row: Mapping[str, Any]) -> dict[tuple[tuple[str, Any], ...], str]:
    words = ("at", "stage", "says", "glue")
    found = {}
    for record in (*row.get("runs", ()), *row.get("crashes", ())):
        key = tuple(sorted((name, value) for name, value in record.items() if name not in words))
        found[key] = f"crashes at {record['at']} ({record['stage']})" if "at" in record else "runs"
    return found
