"""A built and installed wheel scans on its own: the rows are in it, and nothing of the checkout is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_row_and_the_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"dtypecheck/_rules/{path.name}" for path in (ROOT / "rules").glob("*.toml")} <= names
    assert {"dtypecheck/render/schema.json", "dtypecheck/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "fixtures/", "rules/"))]


def test_an_installed_wheel_scans_as_the_checkout_does(wheel: Path, cases: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=False, system_site_packages=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout.strip()
    zipfile.ZipFile(wheel).extractall(site)
    base = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = f"import sys; sys.path = [p for p in sys.path if p != {str(ROOT)!r}]; sys.path.append({base!r}); "
    program += "import dtypecheck; print(dtypecheck.__file__, file=sys.stderr); from dtypecheck.cli import main; main()"
    arguments = ["scan", "sdxl", "--dtype", "float16,vae=float32", "--lib", "diffusers==0.42.1", "--lib", "transformers==5.23.0"]
    done = subprocess.run(
        [python, "-I", "-c", program, *arguments, "--output-format", "json"],
        cwd=cases,
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert str(tmp_path) in done.stderr
    assert done.returncode == 1, done.stderr
    assert [finding["code"] for finding in json.loads(done.stdout)["findings"] if finding["severity"] == "error"] == ["DT110"]
