"""The examples for GitLab and Jenkins: parsed, and their commands run with bash; `pip` is a stub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


def ran(commands: list[str], work: Path) -> subprocess.CompletedProcess[str]:
    """The commands one after the other, as a runner does that stops at the first failure, where torch is not installed."""
    assert commands[0] == "pip install dtypecheck"
    tools = work / "tools"
    tools.mkdir()
    program = "import sys; sys.modules['torch'] = None; from dtypecheck.cli import main; main()"
    for name, does in (("pip", "exit 0"), ("dtypecheck", f'exec "{sys.executable}" -c "{program}" "$@"')):
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB", "CI"))}
    path = os.pathsep.join((str(tools), kept.get("PATH", os.defpath)))
    environment = {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    text = "\n".join(("set -eo pipefail", *commands))
    return subprocess.run(["bash", "--norc", "-c", text], cwd=work, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def work(tmp_path: Path, cases: Path) -> Path:
    """A checkout with a model that is not whole, and a script about something else. It needs no rehearsal to be refused."""
    shutil.copytree(cases / "lfs-pointer", tmp_path / "model")
    (tmp_path / "serve.py").write_text("print('nothing of ours')\n")
    return tmp_path


def test_the_job_for_gitlab_fails_and_leaves_what_it_promises(work: Path) -> None:
    job = yaml.safe_load((ROOT / ".ci" / "examples" / "gitlab-ci.yml").read_text("utf-8"))["dtypecheck"]
    done = ran(job["script"], work)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "do not deploy" in done.stdout
    issues = json.loads((work / job["artifacts"]["reports"]["codequality"]).read_text("utf-8"))
    assert "lfs-pointer" in {issue["check_name"] for issue in issues}


def test_the_stage_for_jenkins_fails_and_leaves_what_it_promises(work: Path) -> None:
    text = (ROOT / ".ci" / "examples" / "Jenkinsfile").read_text("utf-8")
    assert text.count("{") == text.count("}")
    done = ran(re.findall(r"^ *sh '([^']+)'$", text, re.MULTILINE), work)
    assert done.returncode == 1, done.stdout + done.stderr
    promised = re.search(r"junit '([^']+)'", text)
    assert promised
    suites = ElementTree.parse(work / promised[1])  # noqa: S314 - what we have written ourselves
    assert any("DT005" in "".join(case.itertext()) + str(case.attrib) for case in suites.iter("testcase"))
