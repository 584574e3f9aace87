"""What is released: an sdist, and a wheel made of it, that hold what they need, and run with nothing else but click and rich."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import dtypecheck

ROOT = Path(__file__).resolve().parents[1]
DEPENDENCIES = ("click", "rich", "pygments", "markdown_it", "mdurl", "typing_extensions")
"""All that `pip install dtypecheck` brings, with what rich needs."""
ASKED = (
    "--dtype",
    "float16,vae=float32",
    "--lib",
    "diffusers==0.42.1",
    "--lib",
    "transformers==5.23.0",
    "--output-format",
    "json",
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel, as `python -m build` makes them: the second out of the first."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[int, str, str]]:
    """The command line of the wheel, in a Python that finds the standard library, the dependencies and the wheel alone."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(built[1]).extractall(site)
    for name in DEPENDENCIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found = Path(spec.origin) if spec.submodule_search_locations is None else Path(spec.origin).parent
            (site / found.name).symlink_to(found)
    program = (
        f"import sys; sys.path.append({str(site)!r}); import dtypecheck; assert dtypecheck.__file__.startswith({str(site)!r}); "
    )
    program += "from dtypecheck.cli import main; main()"

    def run(*words: str, cwd: Path) -> tuple[int, str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GITHUB"))}
        command = [sys.executable, "-I", "-S", "-c", program, *words]
        done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


def metadata(wheel: Path) -> Message:
    """What a wheel says of itself."""
    archive = zipfile.ZipFile(wheel)
    return message_from_bytes(archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))))


def data() -> set[str]:
    """The files of the package that are no code."""
    found = (path for path in (ROOT / "dtypecheck").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found if path.suffix not in (".py", ".pyc")}


def test_the_wheel_holds_every_row_and_every_asset_and_nothing_of_the_checkout(built: tuple[Path, Path]) -> None:
    names = set(zipfile.ZipFile(built[1]).namelist())
    assert {f"dtypecheck/_rules/{path.name}" for path in (ROOT / "rules").glob("*.toml")} <= names
    assert {"dtypecheck/render/schema.json", "dtypecheck/render/html.css", "dtypecheck/py.typed"} <= data() <= names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "dtypecheck").rglob("*.py")} <= names
    assert {name.partition("/")[0] for name in names} == {"dtypecheck", f"dtypecheck-{dtypecheck.__version__}.dist-info"}


def test_the_sdist_holds_what_its_tests_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "action.yml",
        ".pre-commit-hooks.yaml",
        "tests/conftest.py",
        "pyproject.toml",
    }
    assert wanted | data() | {f"rules/{path.name}" for path in (ROOT / "rules").glob("*.toml")} <= names
    assert {"fixtures/lay_out.py", ".ci/examples/Jenkinsfile", ".github/workflows/ci.yml"} <= names
    assert not [name for name in names if name.startswith((".git/", "shared")) or "__pycache__" in name]


def test_the_version_stands_in_one_place(built: tuple[Path, Path]) -> None:
    said = metadata(built[1])
    assert "version" not in PROJECT
    assert said["Version"] == dtypecheck.__version__
    assert built[0].name == f"dtypecheck-{dtypecheck.__version__}.tar.gz"


def test_what_is_said_of_pythons_and_needs_is_true(built: tuple[Path, Path]) -> None:
    said = metadata(built[1])
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(said.get_all("Classifier") or ()))
    assert said["Requires-Python"] == f">={pythons[0]}"
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    matrices = re.findall(r"python: \[(.+)\]", workflow)
    assert [re.findall(r"3\.\d+", matrix) for matrix in matrices] == [pythons, pythons]
    needs = [need for need in said.get_all("Requires-Dist") or () if "extra ==" not in need]
    assert {re.split(r"\W", need)[0] for need in needs} == {"click", "rich"}
    archive = zipfile.ZipFile(built[1])
    entries = archive.read(f"dtypecheck-{dtypecheck.__version__}.dist-info/entry_points.txt").decode()
    assert "dtypecheck = dtypecheck.cli:main" in entries
    assert "dtypecheck = dtypecheck.pytest_plugin" in entries


def test_without_extras_it_scans_gates_and_explains(
    installed: Callable[..., tuple[int, str, str]], cases: Path, tmp_path: Path
) -> None:
    code, said, told = installed("scan", "sdxl", *ASKED, cwd=cases)
    assert code == 1, told
    assert [finding["code"] for finding in json.loads(said)["findings"] if finding["severity"] == "error"] == ["DT110"]
    code, said, told = installed("gate", "sdxl", *ASKED, cwd=cases)
    assert code == 1, told
    assert json.loads(said)["gate"]["verdict"] == "do not deploy"
    code, said, told = installed("gate", "sdxl", "--dtype", "float16", "--variant", "fp16", cwd=cases)
    assert (code, "torch is not installed" in said + told) == (0, True), said + told
    assert "components-meet" in installed("explain", "DT110", cwd=tmp_path)[1]
    assert installed("explain", "mat1 and mat2 must have the same dtype, but got Half and Float", cwd=tmp_path)[0] == 0
    code, _, told = installed("rehearse", str(cases / "sdxl"), cwd=tmp_path)
    assert (code, "pip install 'dtypecheck[torch]'" in told) == (2, True), told


@pytest.mark.slow
def test_pip_installs_the_sdist_and_the_wheel(built: tuple[Path, Path], cases: Path, tmp_path: Path) -> None:
    for number, file in enumerate(built):
        site = tmp_path / str(number)
        words = ["-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site), str(file)]
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        environment = {**os.environ, "PYTHONPATH": str(site)}
        command = [sys.executable, "-P", str(site / "bin" / "dtypecheck"), "scan", "sdxl", *ASKED]
        ran = subprocess.run(command, cwd=cases, env=environment, capture_output=True, text=True, timeout=120)
        assert (ran.returncode, "DT110" in ran.stdout) == (1, True), ran.stderr
