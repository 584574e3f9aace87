"""A target rehearsed before or after a fix: from the files alone, whether they lie on a disk already or are only planned."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ...engine import planned
from ...files import Files, inside
from ...knowledge import Knowledge
from ...read.formats import READERS, suffix_of
from ...subjects import Pipeline, Request
from ...subjects.shown import Run
from ..outcome import Outcome
from ..refusal import Refusal

LARGEST: Final = 1 << 26
"""Bytes of the largest file that is copied for a rehearsal; vocabularies of 250,000 words take 34 MB."""
_TEXT: Final = frozenset({".json", ".txt", ".model", ".tiktoken", ".spm", ".jinja", ".codes", ".bpe", ".merges", ".vocab"})
_MOST: Final = 4096


class NeedsTorch(Refusal):
    """A rehearsal was asked for where torch, diffusers or transformers are missing."""


def has_torch() -> bool:
    """Whether everything that a rehearsal needs is installed."""
    return all(find_spec(name) is not None for name in ("torch", "diffusers", "transformers"))


def shadow(files: Files, to: Path) -> int:
    """Copy what a pipeline reads besides its weights (settings, vocabularies) into the folder `to`; how many files.

    The files may be planned ones (an Overlay). Names that lead out of the folder, and weights, are left out.
    """
    copied = 0
    for entry in files.entries():
        suffix = Path(entry.name).suffix
        if suffix not in _TEXT or suffix_of(entry.name) in READERS or not 0 <= entry.size <= LARGEST:
            continue
        if inside("", entry.name) != entry.name or copied >= _MOST:
            continue
        target = to / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files.read(entry.name))
        copied += 1
    return copied


def rehearsed(files: Files, request: Request, known: Knowledge, device: str = "cuda") -> Run | None:
    """The rehearsal of the one pipeline or model in the files, under the request; None where there is none or several.

    errors: NeedsTorch where that is not installed.
    """
    pipeline = one(files, request, known)
    if pipeline is None:
        return None
    with laid_out(files) as root:
        return rehearse(pipeline, root, known, device)


def rehearse(pipeline: Pipeline, root: Path, known: Knowledge, device: str) -> Run:
    """One rehearsal. errors: NeedsTorch."""
    try:
        from ...runs.rehearse import rehearse as perform
    except ImportError as fault:
        raise NeedsTorch(f"a rehearsal needs {fault.name}: pip install 'dtypecheck[torch]'") from None
    return perform(pipeline, root, known, device)


def one(files: Files, request: Request, known: Knowledge) -> Pipeline | None:
    """What can be rehearsed: the only pipeline, else the only transformers model; None for all else."""
    found = [pipeline for pipeline in planned(files, request, known) if pipeline.kind in ("pipeline", "model")]
    chosen = [pipeline for pipeline in found if pipeline.kind == "pipeline"] or found
    at_root = [pipeline for pipeline in chosen if pipeline.path in ("", ".")]
    chosen = at_root if len(at_root) == 1 else chosen
    return chosen[0] if len(chosen) == 1 else None


@contextmanager
def laid_out(files: Files) -> Iterator[Path]:
    """A temporary folder with what the files hold besides weights."""
    with tempfile.TemporaryDirectory(prefix="dtypecheck-") as folder:
        shadow(files, Path(folder))
        yield Path(folder)


def worse(was: Run | None, now: Run | None) -> str:
    """Where a rehearsal crashes that ran before, in words; "" where it does not. What did not run before cannot be worse."""
    if now is None or now.crash is None or now.verdict != "crashes" or was is None or was.verdict != "runs":
        return ""
    return f"the call fails in {now.crash.module or 'the pipeline'}: {now.crash.message}"


def runs_checked(
    before: Files, after: Files, outcome: Outcome, request: Request, known: Knowledge
) -> tuple[list[str], list[str]]:
    """Reasons and lines: a rehearsal of the pipeline, and a comparison of what its components compute.

    Both are done as requested, and once more for each variant that was written and that the request does not load.
    """
    reasons, told = _asked(before, after, outcome, request, request, known)
    for variant in _written_variants(after, outcome, request, known):
        wrong, lines = _asked(before, after, outcome, replace(variant, variant=None), variant, known)
        name = f"variant {variant.variant}: "
        reasons += [name + line for line in wrong]
        told += [name + line for line in lines]
    return reasons, told


def _asked(
    before: Files, after: Files, outcome: Outcome, old: Request, new: Request, known: Knowledge
) -> tuple[list[str], list[str]]:
    """The same for one way of loading it. old: how the target of before is loaded."""
    from .calls import heard, seeded
    from .numbers import SEED, Sides, compared, kinds

    pipeline = one(after, new, known)
    with seeded(SEED):  # pipelines begin with noise of torch's own source
        with heard(kinds(pipeline)) as calls:
            reasons, told = _rehearsal(before, after, pipeline, old, new, known)
        wrong, lines = compared(Sides(before, after, outcome, old, new, known, calls))
    return reasons + wrong, told + lines


def _rehearsal(
    before: Files, after: Files, pipeline: Pipeline | None, old: Request, new: Request, known: Knowledge
) -> tuple[list[str], list[str]]:
    if pipeline is None:
        return [], []
    device = new.device or "cuda"
    with laid_out(after) as root:
        run = rehearse(pipeline, root, known, device)
    if run.verdict == "runs":
        return [], [f"rehearsal: it runs on {device}" + (f" ({run.called})" if run.called else "")]
    if run.verdict == "unknown":
        return [], [f"rehearsal: undecided: {run.reason}"]
    if fault := worse(rehearsed(before, old, known, device), run):
        return [f"rehearsal: {fault}"], []
    return [], [f"rehearsal: it fails, and did not run before: {run.crash.message if run.crash else ''}"]


def _written_variants(after: Files, outcome: Outcome, request: Request, known: Knowledge) -> list[Request]:
    """How the variants are loaded that were written and that the request does not ask for: in the dtype they are stored in."""
    found: dict[str, Request] = {}
    for pipeline in planned(after, request, known):
        for part in pipeline.components:
            for own in part.sets:
                written = any(file.path in outcome.contents for file in own.files)
                if written and own.variant and own.main is not None and own != part.loads().chosen:
                    found.setdefault(own.variant, replace(request, variant=own.variant, dtypes={"": own.main}))
    return list(found.values())
