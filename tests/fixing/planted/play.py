"""One planted fault from end to end: planted, seen, fixed by the command line, run for real, and undone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dtypecheck.api import scan
from dtypecheck.cli import main
from dtypecheck.knowledge import Knowledge

from . import models
from .faults import Fault

Tree = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Played:
    """What happened. before, after: how a run went. state: what the fix says of itself. undone: the tree is as it was."""

    before: str
    after: str
    state: str
    codes: frozenset[str]
    codes_after: frozenset[str]
    undone: bool
    measured: tuple[str, ...] = ()
    said: str = ""


def tree(place: Path) -> Tree:
    """Name, mode and sha256 of every file and folder at a place; a file is itself."""
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    found: Tree = {".": (place.stat().st_mode, "")} if place.is_dir() else {}
    for path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(place).as_posix()] = (path.lstat().st_mode, digest)
    return found


def command(*arguments: str) -> tuple[int, str]:
    """`dtypecheck ARGUMENTS` in this process: exit code and all that it said."""
    said = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main([*arguments])
        except SystemExit as done:
            code = int(done.code or 0)
    return code, said.getvalue()


def play(fault: Fault, store: Path, place: Path, known: Knowledge) -> Played:
    """The whole story in the folder `place`, the models that it begins with in `store`."""
    target = place / fault.base
    place.mkdir(parents=True)
    models.lay_out(fault.base, store, target, known)
    good = place / "good"
    if target.is_dir() and (target / "vae").is_dir():
        shutil.copytree(target / "vae", good)
    if any("{preview}" in word for word in fault.fix):
        models.preview_vae(place / "preview")
    fault.plant(target)
    beside = set(os.listdir(place))
    was = tree(target)
    codes = _codes(fault, target)
    before = _run(fault, target, known)
    words = [word.replace("{good}", str(good)).replace("{preview}", str(place / "preview")) for word in fault.fix]
    words += ["--dtype", fault.dtype] if fault.dtype else []
    words += ["--variant", fault.variant] if fault.variant and "--as-variant" not in fault.fix else []
    out = place / "report.json"
    _, said = command("fix", str(target), "--apply", *words, "--output-format", "json", "-o", str(out), "-q")
    told = json.loads(out.read_text())["fix"] if out.is_file() else {}
    out.unlink(missing_ok=True)
    changed = tree(target) != was
    codes_after = _codes(fault, target)
    after = _run(fault, target, known)
    _, undone = command("undo", str(target), "-q")
    same = changed and tree(target) == was and not (set(os.listdir(place)) - beside - {"settings"})
    state = str(told.get("state", "not written"))
    measured = tuple(told.get("measured", ()))
    return Played(before, after, state, codes, codes_after, same, measured, said + undone + json.dumps(told)[:3000])


def _codes(fault: Fault, target: Path) -> frozenset[str]:
    return frozenset(finding.code for finding in scan(target, dtype=fault.dtype, variant=fault.variant).counted)


def _run(fault: Fault, target: Path, known: Knowledge) -> str:
    if fault.kind == "scan":
        return ""
    return models.run(fault.kind, target, fault.dtype, fault.variant, known)


def wrong(fault: Fault, played: Played) -> list[str]:
    """What of the story is not as it should be."""
    found = []
    if not played.before.startswith(fault.shows):
        found.append(f"before: {played.before!r}, planted was {fault.shows!r}")
    if fault.code and fault.code not in played.codes:
        found.append(f"a scan before finds {sorted(played.codes)}, not {fault.code}")
    if played.state != "applied":
        found.append(f"the fix is {played.state}: {played.said}")
    if fault.code and fault.code in played.codes_after:
        found.append(f"a scan after still finds {fault.code}")
    if fault.kind != "scan" and played.after != "a picture":
        found.append(f"after: {played.after!r}")
    if not played.undone:
        found.append(f"undo: not as it was: {played.said}")
    return found
