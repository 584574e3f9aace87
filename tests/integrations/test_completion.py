"""Completion in a real bash: click's own script is sourced, its function called, and Tab pressed in a terminal."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None or os.name == "nt", reason="no bash here")
ASKED = """
eval "$(_DTYPECHECK_COMPLETE=bash_source dtypecheck)"
while read -r -a COMP_WORDS; do
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    [ "${COMP_WORDS[COMP_CWORD]}" = _ ] && COMP_WORDS[COMP_CWORD]=""
    COMPREPLY=()
    _dtypecheck_completion dtypecheck
    printf '%s\\n' "${COMPREPLY[*]}"
done
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a small model, and an environment in which `dtypecheck` is this checkout's."""
    root = tmp_path_factory.mktemp("completion")
    command = root / "bin" / "dtypecheck"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dtypecheck "$@"\n')
    command.chmod(0o755)
    for name in ("unet/config.json", "unet/x.safetensors", "unet/x.ema16.safetensors", "vae/config.json"):
        (root / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "model" / name).write_text("{}")
    path = os.pathsep.join((str(command.parent), os.environ.get("PATH", os.defpath)))
    return root, {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_words_of_every_kind_are_completed(place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    wanted = {
        "dtypecheck ex": "explain",
        "dtypecheck scan --dty": "--dtype",
        "dtypecheck scan m --dtype bfl": "bfloat16 bfloat",
        "dtypecheck scan m --dtype float16,bf": "float16,bfloat16 float16,bf16 float16,bfloat",
        "dtypecheck scan m --device t4": "t4",
        "dtypecheck scan m --select components-m": "components-meet",
        "dtypecheck scan m --ignore DT101,lfs": "DT101,lfs-pointer",
        "dtypecheck scan model --variant _": "ema16 fp16 bf16 fp32",
        "dtypecheck fix model --component _": "unet vae",
        "dtypecheck explain components-m": "components-meet",
        "dtypecheck gate m --require rehearsal,re": "",
    }
    done = subprocess.run(
        [str(BASH), "--norc", "-c", ASKED],
        input="".join(f"{line}\n" for line in wanted),
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert dict(zip(wanted, done.stdout.splitlines(), strict=True)) == wanted


def test_a_tab_in_a_terminal_completes_a_word_and_a_path(place: tuple[Path, dict[str, str]]) -> None:
    import pty

    root, environment = place
    process, terminal = pty.fork()
    if process == 0:  # the child: an interactive bash
        os.chdir(root)
        os.execve(str(BASH), [str(BASH), "--norc", "--noprofile", "-i"], {**environment, "PS1": "> ", "TERM": "dumb"})
    try:
        os.write(terminal, b'eval "$(_DTYPECHECK_COMPLETE=bash_source dtypecheck)"; echo rea"dy"\n')
        until(terminal, b"ready")
        os.write(terminal, b"dtypecheck scan mod\t")
        until(terminal, b"model/")
        os.write(terminal, b" --select components-me\t")
        until(terminal, b"components-meet")
    finally:
        os.close(terminal)
        os.kill(process, 9)
        os.waitpid(process, 0)


def until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows, read until it shows a text; 60 seconds at most."""
    seen, end = b"", time.monotonic() + 60
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"{wanted!r} never came: {seen!r}"
        seen += os.read(terminal, 4096)
    return seen


def test_completion_is_asked_for_without_heavy_imports(place: tuple[Path, dict[str, str]]) -> None:
    root, environment = place
    code = "import sys; from dtypecheck.cli import main\ntry: main()\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    asked = {"_DTYPECHECK_COMPLETE": "bash_complete", "COMP_WORDS": "dtypecheck scan m --select DT10", "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env={**environment, **asked}, capture_output=True, text=True, timeout=60
    )
    assert "plain,DT102" in done.stdout
    heavy = {"torch", "numpy", "diffusers", "transformers", "rich", "safetensors"}
    assert not heavy & {name.partition(".")[0] for name in done.stderr.split()}
