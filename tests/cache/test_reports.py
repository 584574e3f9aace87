"""A report that was kept is the report that was made, and bytes that are none make no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dtypecheck.cache.reports import Unstorable, decode, encode
from dtypecheck.render.json import document
from dtypecheck.report import Report
from dtypecheck.runs import about
from dtypecheck.subjects import Pipeline
from dtypecheck.verbs.scan import scan_paths


def test_every_case_comes_back_whole(cases: Path) -> None:
    for case in sorted(cases.iterdir()):
        for dtype in (None, "float16,vae=float32"):
            report = scan_paths([case], dtype=dtype if (case / "vae").is_dir() else None, device="t4")
            again = decode(encode(report))
            assert again == report, case.name
            assert document(again) == document(report), case.name
            for pipeline in again.pipelines:
                assert all(part.pipeline is pipeline for part in pipeline.components)


def test_the_real_ones_come_back_whole(shared_tree: Path) -> None:
    report = scan_paths([shared_tree])
    assert len(report.pipelines) > 50
    assert decode(encode(report)) == report


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"null", b"1", b'["Report"]', b'["os.system", "x"]', b'["Popen", "x"]', b'["d", "F99"]', b'["t"]', b"\xff",
        b"[" * 100_000, b'["Report", 1]', b'["Path", "x"]', b'["Where", "a", "b", 1]', b"[]", b'[["t"]]',
        b'["m", 1]', b'["m", [["l"], 1]]',
    ],
)  # fmt: skip
def test_bytes_that_are_no_report_are_refused(data: bytes) -> None:
    with pytest.raises(Unstorable):
        decode(data)


def test_what_is_none_of_our_plain_data_is_not_kept() -> None:
    with pytest.raises(Unstorable, match="module"):
        encode(Report(label=about))  # type: ignore[arg-type]


def test_it_is_json_and_names_classes() -> None:
    assert json.loads(encode(Report(pipelines=(Pipeline(".", "P", "pipeline"),))))[0] == "Report"
