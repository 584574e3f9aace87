"""What really happens, beside what a rehearsal says: small pipelines saved, loaded in many dtype plans, and run on the CPU.

python -m tests.runs.truth [CLASS...] [--rows FILE]     a table of agreement; each row as a line of JSON in FILE
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.files import Directory
from dtypecheck.knowledge import Knowledge
from dtypecheck.loading import plan as load_plan
from dtypecheck.read.layout import Reader
from dtypecheck.request import versions
from dtypecheck.runs.about import about_dtypes
from dtypecheck.runs.phantoms.inputs import for_call
from dtypecheck.runs.phantoms.shrunken import known_classes
from dtypecheck.runs.phantoms.small import Small, library, small
from dtypecheck.runs.pretend import eager, quiet
from dtypecheck.runs.rehearse import rehearse
from dtypecheck.subjects import Pipeline, Request

TORCH = {F16: torch.float16, BF16: torch.bfloat16, F32: torch.float32}
PLANS: tuple[tuple[DType, DType, DType], ...] = (
    (F32, F32, F32), (F16, F16, F16), (BF16, BF16, BF16),
    (F32, F16, F16), (F16, F16, F32), (BF16, BF16, F32), (BF16, BF16, F16), (F16, F32, F32), (BF16, F16, F16), (F32, F16, F32),
)  # fmt: skip
"""Text encoders, denoiser (and all the rest), VAE."""


@dataclass(frozen=True)
class Row:
    """One pipeline under one dtype plan: what really happened, and what the rehearsal said."""

    klass: str
    te: str
    denoiser: str
    vae: str
    real: str
    real_module: str
    real_says: str
    said: str
    said_module: str
    said_says: str
    reason: str

    @property
    def agrees(self) -> bool:
        return self.real == self.said

    @property
    def same_module(self) -> bool:
        """The crash is in the same module, or both are outside of any."""
        return self.real_module == self.said_module


@contextlib.contextmanager
def saved(klass: str, known: Knowledge) -> Iterator[tuple[Path, Small]]:
    """The small pipeline of a class in a folder, its weights random."""
    torch.manual_seed(0)
    made = small(klass, known)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / klass
        for name, module in made.modules.items():
            module.save_pretrained(place / name, safe_serialization=True)
        index: dict[str, Any] = {"_class_name": klass, "_diffusers_version": "0.42.1", **made.index}
        index |= {name: [None, None] for name in made.rest}
        index |= {name: [library(part), type(part).__name__] for name, part in made.modules.items()}
        (place / "model_index.json").write_text(json.dumps(index))
        yield place, made


def dtypes_of(pipeline: Pipeline, plan: tuple[DType, DType, DType]) -> dict[str, DType]:
    """The dtype of each component under a plan."""
    te, denoiser, vae = plan
    by_role = {"text_encoder": te, "vae": vae}
    return {part.name: by_role.get(part.role, denoiser) for part in pipeline.components}


def really(place: Path, made: Small, dtypes: Mapping[str, DType], known: Knowledge) -> tuple[str, str, str]:
    """Load and run: "runs", "crashes" with the module and the text, or "fails" for an error that is not about dtypes."""
    import diffusers

    klass = getattr(diffusers, made.pipeline.klass or "")
    given = {"default": torch.float32} | {name: TORCH[dtype] for name, dtype in dtypes.items()}
    stack: list[str] = []
    try:
        with quiet(), eager(), torch.no_grad():
            pipe = klass.from_pretrained(place, torch_dtype=given, local_files_only=True, **made.rest)
            pipe.set_progress_bar_config(disable=True)
            follow(pipe, stack)
            pipe(**for_call(pipe, {}, known))
    except Exception as fault:  # noqa: BLE001
        text = str(fault).strip().split("\n")[0]
        about = about_dtypes(fault)
        return (
            ("crashes" if about else "fails"),
            stack[-1] if stack else "",
            f"{text}" if about else f"{type(fault).__name__}: {text}",
        )
    return "runs", "", ""


def follow(pipe: Any, stack: list[str]) -> None:
    """Keep the path of the module that runs on the stack: hooks take it off again, unless the module raises."""
    for name, part in pipe.components.items():
        if isinstance(part, torch.nn.Module):
            for path, module in part.named_modules():
                full = f"{name}.{path}".strip(".")
                module.register_forward_pre_hook(lambda *_, full=full: stack.append(full))
                module.register_forward_hook(lambda *_: stack.pop() and None)


def rows(klass: str, known: Knowledge, plans: tuple[tuple[DType, DType, DType], ...] = PLANS) -> Iterator[Row]:
    """Every plan of a class, run and rehearsed."""
    with saved(klass, known) as (place, made):
        read = next(reading.pipeline for reading in Reader(Directory(place), known).readings() if reading.pipeline)
        has = {part.role for part in read.components}
        done = set()
        for plan in plans:
            dtypes = dtypes_of(read, plan)
            key = tuple(dtypes.values())
            if key in done:
                continue
            done.add(key)
            real, real_module, real_says = really(place, made, dtypes, known)
            request = Request({"": F32, **dtypes}, libraries=versions([]))
            run = rehearse(load_plan(read, request, known), place, known, "cpu", instead=made.rest)
            crash = run.crash
            te, denoiser, vae = (dtype.name for dtype in plan)
            yield Row(
                klass, te if "text_encoder" in has else "", denoiser, vae if "vae" in has else "", real, real_module, real_says,
                run.verdict, crash.module if crash else run.component, crash.message if crash else "", run.reason,
            )  # fmt: skip


def table(found: list[Row]) -> str:
    """The agreement as the issue asks for it."""
    counted = [row for row in found if row.real != "fails"]
    decided = [row for row in counted if row.said != "unknown"]
    agreed = [row for row in decided if row.agrees]
    crashes = [row for row in agreed if row.real == "crashes"]
    located = [row for row in crashes if row.same_module]
    ran = sum(row.real == "runs" for row in counted)
    same_text = [row for row in crashes if row.real_says == row.said_says]

    def share(part: list[Row], whole: list[Row]) -> str:
        return f"{len(part):5} of {len(whole):5}  {100 * len(part) / max(len(whole), 1):6.2f} %"

    lines = [
        f"pipeline classes          {len({row.klass for row in counted})}",
        f"real runs                 {len(counted)} ({ran} ran, {len(counted) - ran} crashed)",
        f"failed without dtypes     {len(found) - len(counted)}",
        f"undecided                 {share([row for row in counted if row.said == 'unknown'], counted)}",
        f"agree, of the decided     {share(agreed, decided)}",
        f"crashing module right     {share(located, crashes)}",
        f"same words                {share(same_text, crashes)}",
    ]
    return "\n".join(lines)


def main(words: list[str]) -> None:
    """Run the classes named, all of them by default, and print the table and every row that disagrees."""
    warnings.simplefilter("ignore")
    known = Knowledge((*Knowledge().folders, *(Path(word) for word in options(words, "--rules-dir"))))
    out = next(iter(options(words, "--rows")), None)
    plain = [word for i, word in enumerate(words) if not word.startswith("--") and (i == 0 or not words[i - 1].startswith("--"))]
    names = [name for name in known_classes(known) if not plain or any(re.fullmatch(word, name) for word in plain)]
    found: list[Row] = []
    with open(out, "a") if out else contextlib.nullcontext() as sink:
        for name in names:
            start = time.monotonic()
            try:
                new = list(rows(name, known))
            except Exception as fault:  # noqa: BLE001
                print(f"{name}: harness: {type(fault).__name__}: {fault}"[:300], flush=True)
                continue
            found += new
            if sink:
                sink.writelines(json.dumps(asdict(row)) + "\n" for row in new)
                sink.flush()
            counts = Counter((row.real, row.said) for row in new)
            print(f"{name}: {dict(counts)} {time.monotonic() - start:.1f} s", flush=True)
            for row in new:
                if row.real != "fails" and (not row.agrees or (row.real == "crashes" and not row.same_module)):
                    print("   ", row.te, row.denoiser, row.vae, "| real", row.real, row.real_module, row.real_says[:110])
                    print("         | said", row.said, row.said_module, (row.said_says or row.reason)[:200])
            for reason in {row.real_says for row in new if row.real == "fails"}:
                print("    fails:", reason[:200])
    print(table(found))


def options(words: list[str], name: str) -> list[str]:
    return [after for word, after in itertools.pairwise(words) if word == name]


if __name__ == "__main__":
    main(sys.argv[1:])
