"""Real model directories: no traceback, the right dtypes, no error where their authors' own requests are fine."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.dtypes import BY_NAME

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the data folder {DATA.parent.name}/data is not beside this checkout"),
]
PINNED = ("diffusers==0.42.1", "transformers==5.23.0")
NAMES = sorted(path.name for path in (DATA / "models").glob("*/*") if path.is_dir()) if DATA.is_dir() else []
SOUND = {
    "HDRJ-One+stable-diffusion-xl-base-1.0": (None, "float16", "bfloat16", "float32"),
    "wswplay+stable-diffusion-v1-5": (None, "float16", "bfloat16", "float32"),
    "wswplay+stable-diffusion-v1-4": (None, "float16", "bfloat16", "float32"),
    "jack-op11+stable-diffusion-2-1": (None, "float16", "bfloat16", "float32"),
    "jack-op11+stable-diffusion-2-1-base": (None, "float16", "bfloat16", "float32"),
    "Zumwaltboi68+Stable-Cascade": (None, "bfloat16", "float32"),
    "RiJinYun+Intro": (None, "float16"),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_header_with_a_certain_label_has_the_dtypes_of_its_label(name: str, shared_tree: Path) -> None:
    report = scan(shared_tree / name, libraries=PINNED)
    found = {file.path: {dtype.name: count for dtype, count in file.dtypes.items()} for file in report.files}
    labels = [
        row for row in json.loads((DATA / "headers/INDEX.json").read_text()) if row["repo"] == name and not row["uncertain"]
    ]
    for row in labels:
        assert found[row["path"]] == row["dtypes"], row["path"]


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name, dtypes in SOUND.items() for dtype in dtypes])
def test_a_model_loaded_as_its_authors_publish_it_has_no_error(name: str, dtype: str | None, shared_tree: Path) -> None:
    report = scan(shared_tree / name, dtype=dtype, libraries=PINNED)
    assert [finding.message for finding in report.counted if finding.severity == "error"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_component_without_weights_is_told_once(name: str, shared_tree: Path) -> None:
    told = Counter((f.pipeline, f.where.at) for f in scan(shared_tree / name, libraries=PINNED).findings if f.code == "DT011")
    assert all(count == 1 for count in told.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_every_usual_request_gives_a_verdict(name: str, dtype: str, shared_tree: Path) -> None:
    report = scan(shared_tree / name, dtype=dtype, libraries=PINNED)
    wanted = {"float16": "F16", "bfloat16": "BF16", "float32": "F32"}[dtype]
    for pipeline in report.pipelines:
        for component in pipeline.components:
            load = component.loads()
            assert load.dtype is BY_NAME[wanted] or load.failure or pipeline.kind == "adapter" or component.role == "unused"


@pytest.mark.parametrize("path", sorted(p for p in (DATA / "malformed").glob("*")) if DATA.is_dir() else [], ids=lambda p: p.name)
def test_a_malformed_file_has_one_clear_finding(path: Path) -> None:
    findings = [finding for finding in scan(path, libraries=PINNED).findings if finding.code != "DT011"]
    files = Counter(finding.where.path for finding in findings)
    assert files, "nothing was said"
    assert set(files.values()) == {1}
    broken = [p for p in path.rglob("*") if p.is_file() and b"<<<<<<<" in p.read_bytes()] if path.is_dir() else [path]
    assert len(files) >= min(len(broken), 1)


@pytest.mark.parametrize("path", sorted((DATA / "weights").glob("*")) if DATA.is_dir() else [], ids=lambda p: p.name)
def test_a_file_of_real_weights_is_read_without_a_word(path: Path) -> None:
    report = scan(path, libraries=PINNED)
    assert report.findings == ()
    assert report.seen["tensors"] > 0
