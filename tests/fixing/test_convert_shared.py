"""Conversions of the real model trees: no header is too odd, and what comes out is read again without a new problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.engine import planned
from dtypecheck.files import Files, place
from dtypecheck.fixing.convert import Wish, conversions
from dtypecheck.fixing.overlay import after
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.layout import Reader
from dtypecheck.request import make

pytestmark = [pytest.mark.shared, pytest.mark.slow]
WISHES = (Wish(F16), Wish(BF16, variant="bf16"), Wish(F32, shard=1_000_000_000))


def problems(files: Files, known: Knowledge) -> set[tuple[str, str]]:
    return {(problem.kind, problem.where.path) for reading in Reader(files, known).readings() for problem in reading.problems}


def test_every_real_tree_is_converted_or_refused_with_a_reason(shared_tree: Path, known: Knowledge) -> None:
    done = 0
    for model in sorted(shared_tree.iterdir()):
        files = place(model)
        before = problems(files, known)
        for wish in WISHES:
            edits = []
            for pipeline in planned(files, make(None, None, None, (), known), known):
                steps, refused = conversions(pipeline, files, wish, known)
                assert all(no.why and no.place for no in refused)
                assert len(steps) + len(refused) >= len(pipeline.components) or pipeline.kind in ("single-file", "adapter")
                edits += [edit for step in steps for edit in step.edits]
                assert all(step.lossless for step in steps if wish.dtype is F32 or wish.variant)
            done += len(edits)
            assert problems(after(files, edits), known) <= before, model.name
    assert done > 400
