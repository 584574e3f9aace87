"""A rehearsal on the CPU says what a real run does: small pipelines, really saved, loaded and run in many dtype plans."""

from __future__ import annotations

import os

import pytest

from dtypecheck.knowledge import Knowledge

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from dtypecheck.runs.phantoms.shrunken import known_classes
from tests.runs import truth

KNOWN = Knowledge()
SAMPLE = (
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "WanPipeline",
    "PixArtSigmaPipeline",
    "CogVideoXPipeline",
    "LTXPipeline",
    "AnimateDiffPipeline",
    "StableDiffusionXLControlNetPipeline",
    "QwenImagePipeline",
)
"""One class of each way that dtypes are handled: upcast, cast, not cast, kept in float32, converted when put together."""
PLANS = (truth.PLANS[0], truth.PLANS[1], truth.PLANS[3], truth.PLANS[4], truth.PLANS[6])
LARGE = {"AnimateDiffPipeline": PLANS[1:3], "StableDiffusionXLControlNetPipeline": PLANS[1:3]}
"""Those whose small versions are not small: one plan that runs and one that mixes dtypes; the slow test has the others."""


@pytest.mark.parametrize("name", SAMPLE)
def test_a_rehearsal_says_what_really_happens_and_where(name: str) -> None:
    found = list(truth.rows(name, KNOWN, LARGE.get(name, PLANS)))
    assert len(found) > 1 + (name not in LARGE)
    assert not [row for row in found if row.real == "fails"]
    assert not [row for row in found if not row.agrees or not row.same_module or row.real_says != row.said_says]


def test_the_sample_holds_runs_and_crashes_of_several_kinds() -> None:
    """Agreement says little if everything runs: the recorded rows of the sample know both."""
    rows = [KNOWN.row("pipelines", name) for name in SAMPLE]
    assert all(row["runs"] for row in rows)
    assert len({crash["stage"] for row in rows for crash in row.get("crashes", ())}) >= 2


@pytest.mark.slow
def test_all_pipeline_classes_agree_with_real_runs_as_far_as_the_bars_ask() -> None:
    """About an hour. The first letter in DTYPECHECK_TRUTH limits it to classes that begin so."""
    letters = os.environ.get("DTYPECHECK_TRUTH", "")
    names = [name for name in known_classes(KNOWN) if name.startswith(tuple(letters) or "")]
    found = [row for name in names for row in truth.rows(name, KNOWN)]
    print(truth.table(found))
    counted = [row for row in found if row.real != "fails"]
    decided = [row for row in counted if row.said != "unknown"]
    crashed = [row for row in decided if row.real == row.said == "crashes"]
    assert len({row.klass for row in counted}) >= (60 if not letters else 1)
    assert len(counted) - len(decided) <= 0.01 * len(counted)
    assert sum(row.agrees for row in decided) >= 0.995 * len(decided)
    assert sum(row.same_module for row in crashed) >= 0.99 * len(crashed)
