"""Where a report goes by its name, and where its paths lie as the working directory sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck import settings
from dtypecheck.files import from_here
from dtypecheck.render import FORMATS, format_of, renderer
from dtypecheck.report import Report

from . import made


def test_the_settings_know_the_formats_that_there_are() -> None:
    assert settings.FORMATS == FORMATS
    assert all(callable(renderer(name)) for name in FORMATS)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("x.sarif", "sarif"),
        ("x.sarif.json", "sarif"),
        ("x.json", "json"),
        ("gl-code-quality-report.json", "json"),
        ("junit.XML", "junit"),
        ("x.md", "markdown"),
        ("x.html", "html"),
        ("x.htm", "html"),
        ("x.txt", None),
        ("sarif", None),
        ("html", None),
    ],
)
def test_a_file_s_ending_tells_its_format_where_it_tells_one(name: str, form: str | None) -> None:
    assert format_of(name) == form


def test_the_command_line_writes_each_format_by_its_ending_and_needs_no_heavy_library_for_it(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    code = """
import sys
from dtypecheck.cli import main
for name in ("x.sarif", "x.xml", "x.md", "x.json"):
    try:
        main(["scan", "m", "-o", name])
    except SystemExit as done:
        assert done.code == 1, done.code
assert not {"torch", "numpy", "rich", "diffusers", "jsonschema"} & set(sys.modules), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    texts = {path.suffix: path.read_text("utf-8") for path in tmp_path.glob("x.*")}
    assert json.loads(texts[".sarif"])["runs"][0]["results"][0]["ruleId"] == "DT005"
    assert "<testsuites " in texts[".xml"]
    assert texts[".md"].startswith("### dtypecheck: 1 error")
    assert json.loads(texts[".json"])["gate"] is None


def test_a_path_is_where_the_working_directory_sees_it() -> None:
    report = Report(roots={"": "models/x", "serve.py": "ci/serve.py", "sub": "elsewhere"})
    assert report.place("vae/config.json") == "models/x/vae/config.json"
    assert report.place("serve.py") == "ci/serve.py"
    assert report.place("sub/a.json") == "elsewhere/a.json"
    assert report.place("subway/a.json") == "models/x/subway/a.json"
    assert (report.place("."), report.place("")) == ("models/x", "models/x")


def test_without_a_target_s_place_a_path_stays_and_so_does_that_of_a_library() -> None:
    assert Report().place("vae/config.json") == "vae/config.json"
    assert made.mixed().place("diffusers/pipelines/x.py") == "diffusers/pipelines/x.py"
    assert made.mixed().place("diffusers/config.json") == "models/sd xl/diffusers/config.json"
    assert Report(roots={"": "."}).place("a/b") == "a/b"
    assert Report(roots={"": "."}).place(".") == "."


def test_places_stay_where_they_are_when_reports_are_put_below_folders_and_added() -> None:
    one, other = Report(roots={"": "m/a"}), Report(roots={"": "../b", "x.py": "x.py"})
    both = one.below("a") + other.below("b")
    assert both.place("a/config.json") == "m/a/config.json"
    assert both.place("b/config.json") == "../b/config.json"
    assert both.place("b/x.py") == "x.py"
    assert one.below("").place("config.json") == "m/a/config.json"


def test_from_here_is_relative_wherever_the_path_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert from_here(Path("a/b")) == "a/b"
    assert from_here(tmp_path / "work" / "a") == "a"
    assert from_here(tmp_path / "other") == "../other"
    assert from_here(Path()) == "."
