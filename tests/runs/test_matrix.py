"""Every sensible dtype plan, as the recorded rows have it; the one to take stands first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from dtypecheck.dtypes import BF16, F16, F32, F64, DType
from dtypecheck.engine import planned
from dtypecheck.files import place
from dtypecheck.knowledge import Knowledge
from dtypecheck.loading import with_dtypes
from dtypecheck.request import make
from dtypecheck.subjects.shown import Run, Tried

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from dtypecheck.runs.matrix import PLANS, matrix, plans, remedies, tried
from dtypecheck.runs.phantoms.small import config_text, small

KNOWN = Knowledge()
SDXL = "StableDiffusionXLPipeline"
TEXTS, REST = ("text_encoder", "text_encoder_2"), ("unet",)
Plan = tuple[DType, DType, DType]


@cache
def rows(klass: str, device: str = "cuda") -> tuple[Tried, ...]:
    made = small(klass, KNOWN)
    return matrix(made.pipeline, None, KNOWN, device, instead=made.rest)


def plan_of(dtypes: Mapping[str, DType]) -> Plan:
    """Text encoders, denoiser, VAE: each of one dtype."""
    (text,) = {dtypes[name] for name in TEXTS}
    (rest,) = {dtypes[name] for name in REST}
    return text, rest, dtypes["vae"]


def recorded(klass: str) -> dict[Plan, str]:
    """What rules/pipelines.toml says of the VAE as it comes, that is with force_upcast."""
    row = KNOWN.row("pipelines", klass)
    found: dict[Plan, str] = {}
    for verdict, entries in (("runs", row["runs"]), ("crashes", row["crashes"])):
        for entry in entries:
            if entry.get("upcast", True):
                found[tuple(_dtype(entry[key]) for key in ("te", "denoiser", "vae"))] = f"{verdict} {entry.get('at', '')}"  # type: ignore[index]
    return found


def _dtype(name: str) -> DType:
    return {"F16": F16, "BF16": BF16, "F32": F32}[name]


def test_a_pipeline_without_parts_to_combine_has_one_plan_a_dtype() -> None:
    made = small("DDPMPipeline", KNOWN)
    assert [list(dtypes.values()) for dtypes in plans(made.pipeline)] == [[F16], [BF16], [F32]]


def test_no_plan_comes_twice() -> None:
    found = [tuple(dtypes.items()) for dtypes in plans(small(SDXL, KNOWN).pipeline)]
    assert len(found) == len(set(found)) == len(PLANS)


def test_the_first_row_is_the_recommended_one_and_runs_natively_in_half() -> None:
    first, *others = rows(SDXL)
    assert (first.recommended, first.verdict, first.safe, first.slow, first.note) == (True, "runs", True, False, "")
    assert plan_of(first.dtypes) == (F16, F16, F16)
    assert not any(row.recommended for row in others)


def test_what_runs_comes_before_what_crashes_and_the_cheap_before_the_dear() -> None:
    found = rows(SDXL)
    verdicts = [row.verdict for row in found]
    assert verdicts == sorted(verdicts, key=["runs", "unknown", "crashes"].index)
    assert {"runs", "crashes"} == set(verdicts)
    running = [row.weight_bytes for row in found if row.verdict == "runs"]
    assert running == sorted(running)
    assert running[-1] > 1.9 * running[0]


def test_verdicts_and_places_are_those_that_are_recorded() -> None:
    """The rows were recorded on the CPU: SDXL's crashes are the same everywhere."""
    known = recorded(SDXL)
    found = {plan_of(row.dtypes): f"{row.verdict} {row.crash.module if row.crash else ''}" for row in rows(SDXL)}
    both = known.keys() & found.keys()
    assert len(both) > 12
    assert {plan: found[plan] for plan in both} == {plan: known[plan] for plan in both}


def test_a_crashing_row_says_where_and_a_running_one_does_not() -> None:
    assert all((row.crash is not None) == (row.verdict == "crashes") for row in rows(SDXL))


def test_t4_says_that_it_emulates_bf16_and_recommends_another() -> None:
    found = {next(iter(row.dtypes.values())): row for row in rows("DDPMPipeline", "t4")}
    assert (found[BF16].note, found[BF16].slow) == ("t4 emulates bf16", True)
    assert (found[F16].note, found[F16].slow, found[F16].recommended) == ("", False, True)
    assert [dtype for dtype, row in found.items() if row.verdict == "runs"] == [F16, F32]


def test_bf16_pictures_cannot_be_handed_to_numpy() -> None:
    """DDPM hands the pictures over as they are: a crash between the components."""
    row = next(row for row in rows("DDPMPipeline", "t4") if BF16 in row.dtypes.values())
    assert row.crash is not None
    assert (row.crash.module, row.crash.message) == ("", "Got unsupported ScalarType BFloat16")


def test_a_dtype_that_the_device_lacks_is_noted() -> None:
    made = small("DDPMPipeline", KNOWN)
    row = tried(with_dtypes(made.pipeline, {"": F64}, KNOWN), Run("rehearsed", "runs", "mps"), {"unet": F64}, KNOWN, "mps")
    assert (row.note, row.slow) == ("mps lacks fp64", False)


def test_told_hears_of_every_plan() -> None:
    made, heard = small("DDPMPipeline", KNOWN), list[str]()
    matrix(made.pipeline, None, KNOWN, "cuda", told=heard.append, instead=made.rest)
    assert heard == ["unet fp16", "unet bf16", "unet fp32"]


def test_remedies_end_with_the_first_request_that_runs(tmp_path: Path) -> None:
    made = small("DDPMPipeline", KNOWN)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text(config_text(made.modules["unet"]))
    made.rest["scheduler"].save_pretrained(tmp_path / "scheduler")  # type: ignore[attr-defined]
    index = {**made.index, "scheduler": ["diffusers", type(made.rest["scheduler"]).__name__]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (pipeline,) = planned(place(tmp_path), make("bfloat16", None, None, (), KNOWN, tmp_path), KNOWN)
    found = remedies(pipeline, tmp_path, KNOWN, "cuda")
    assert [row.verdict for row in found][-1:] == ["runs"]
    assert "runs" not in [row.verdict for row in found[:-1]]
    assert all(len(set(row.dtypes.values())) == 1 for row in found)
