"""Findings that are known already, as a file of fingerprints: they are muted until they are gone, and then that is told.

One entry a line, sorted by place, so that a change of it reads well and two of them merge. A finding is known by its fingerprint,
which holds no line and no message, and by where it lies: two models with the same fault have the same fingerprint, and of these
the new one is not known. Only where the place of an entry is not there at all (the model lies elsewhere on this machine) the
fingerprint does alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from ..checks.reading.stale_baseline import StaleBaseline
from ..engine.looked import could_fire, looked_at
from ..findings import Finding, Fix, Where, fingerprinted
from ..report import Report
from ..request import WrongUse
from ..rule import find
from ..settings.places import Ground, named

VERSION: Final = 1
_TEXTS: Final = ("code", "path", "fingerprint", "message")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A known finding. path: from the baseline's folder; asked: the dtype, variant and device asked for when it was found.

    message: for people. line: where the entry stands in its file.
    """

    path: str
    code: str
    fingerprint: str
    asked: str = ""
    message: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """A file of known findings. file: where it is, also where it is still to be written."""

    file: Path
    entries: tuple[Entry, ...] = ()

    @property
    def folder(self) -> Path:
        """What its paths are relative to."""
        return self.file.absolute().parent

    @property
    def known(self) -> frozenset[tuple[str, str]]:
        """What it knows: fingerprints with their places."""
        return frozenset((entry.fingerprint, entry.path) for entry in self.entries)


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. errors: WrongUse, with the cause, for a file that is none; OSError."""
    try:
        text = path.read_text("utf-8-sig")
        data = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise WrongUse(f"{path}: this is no baseline: {fault}") from None
    if not isinstance(data, dict) or not isinstance(data.get("findings"), list):
        raise WrongUse(f'{path}: this is no baseline: it has no list "findings" (--write-baseline writes one)')
    if data.get("version") != VERSION:
        raise WrongUse(f"{path}: this baseline is of version {data.get('version')!r}, and only {VERSION} is understood here")
    lines = {line.partition('"fingerprint": "')[2].partition('"')[0]: number for number, line in enumerate(text.split("\n"), 1)}
    return Baseline(path, tuple(_entry(item, path, lines) for item in data["findings"]))


def _entry(item: Any, path: Path, lines: Mapping[str, int]) -> Entry:
    if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in _TEXTS):
        raise WrongUse(f"{path}: an entry of the baseline wants {', '.join(_TEXTS)}, each a text, not {json.dumps(item)[:80]}")
    asked = item.get("asked", "")
    if not isinstance(asked, str):
        raise WrongUse(f"{path}: asked in an entry of the baseline wants a text, not {asked!r}")
    return Entry(item["path"], item["code"], item["fingerprint"], asked, item["message"], lines.get(item["fingerprint"]))


def text_of(baseline: Baseline) -> str:
    """The baseline as its file holds it."""
    lines = [
        json.dumps({"path": e.path, "code": e.code, "fingerprint": e.fingerprint, "asked": e.asked, "message": e.message})
        for e in sorted(baseline.entries)
    ]
    listed = ",\n".join(lines)
    return f'{{"version": {VERSION}, "findings": [\n{listed}\n]}}\n' if lines else f'{{"version": {VERSION}, "findings": []}}\n'


Selected = Callable[[str, str], bool]
"""Whether a code counts in a place, as the working directory sees it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A report against a baseline. matched: the entries of its findings, by their numbers. stale: what is found no more.

    kept: entries of which nobody knows whether they are stale, because they were not looked for.
    """

    matched: Mapping[int, Entry]
    stale: tuple[Entry, ...]
    kept: tuple[Entry, ...]


def compare(report: Report, baseline: Baseline, ground: Ground, selected: Selected) -> Compared:
    """Which findings of a report a baseline knows, and which of its entries match nothing."""
    by_print: dict[str, list[Entry]] = {}
    for entry in baseline.entries:
        by_print.setdefault(entry.fingerprint, []).append(entry)
    matched: dict[int, Entry] = {}
    used: set[Entry] = set()
    for number, finding in enumerate(report.findings):
        if same := by_print.get(finding.fingerprint):
            path = named(ground.here / report.place(finding.where.path), baseline.folder)
            fitting = [entry for entry in same if entry.path == path or not (baseline.folder / entry.path).exists()]
            used.update(fitting)
            if fitting and finding.muted is None:
                matched[number] = min(fitting, key=lambda entry: entry.path != path)
    looked_for = _looked_for(report, baseline, ground, selected)
    stale: list[Entry] = []
    kept: list[Entry] = []
    for entry in dict.fromkeys(baseline.entries):
        if entry not in used:
            (stale if looked_for(entry) else kept).append(entry)
    return Compared(matched, tuple(stale), tuple(kept))


def _looked_for(report: Report, baseline: Baseline, ground: Ground, selected: Selected) -> Callable[[Entry], bool]:
    """Whether the finding of an entry would have been found, were it still there."""
    asked, kinds, folder = asked_for(report), looked_at(report), baseline.folder
    targets = [ground.here / target for target in ground.targets]

    @cache
    def fires(code: str) -> bool:
        return find(code) is not None and could_fire(code, kinds, report.request, not report.unlinked)

    @cache
    def inside(path: str) -> bool:
        return any(named(folder / path, target).partition("/")[0] != ".." for target in targets)

    def looked_for(entry: Entry) -> bool:
        if entry.asked != asked or not fires(entry.code) or not inside(entry.path):
            return False
        return selected(entry.code, (folder / entry.path).as_posix())

    return looked_for


def asked_for(report: Report) -> str:
    """What was asked for, in one word or two: an entry can be missed only by who asks for the same."""
    request = report.request
    words = [f"{name}={dtype.short}" if name else dtype.short for name, dtype in sorted(request.dtypes.items())]
    words += [f"variant={request.variant}"] if request.variant else []
    words += [f"device={request.device}"] if request.device else []
    return " ".join(words)


def known(report: Report, baseline: Baseline, ground: Ground, selected: Selected) -> Report:
    """The report with what the baseline knows muted, and a note for each of its entries that is stale."""
    compared = compare(report, baseline, ground, selected)
    findings = tuple(
        finding.mute("baseline", "baseline") if number in compared.matched else finding
        for number, finding in enumerate(report.findings)
    )
    place = named(baseline.file.absolute(), ground.here)
    notes = [_note(entry, place) for entry in compared.stale if selected(StaleBaseline.code, place)]
    return replace(report, findings=(*findings, *fingerprinted(notes)))


def _note(entry: Entry, place: str) -> Finding:
    told = f"{entry.code} of {entry.path} is in the baseline and is not found any more"
    fix = Fix(StaleBaseline.remedy)
    return StaleBaseline().finding(Where(place, "", entry.line), told, fix=fix, source=entry.fingerprint)


def renewed(report: Report, baseline: Baseline, ground: Ground, selected: Selected) -> Baseline:
    """The baseline that knows every finding of a report that counts, without its stale entries; what was not looked for stays."""
    compared = compare(report, baseline, ground, selected)
    made = {(entry.fingerprint, entry.path): entry for entry in compared.kept}
    for number, finding in enumerate(report.findings):
        if finding.muted is None and finding.code != StaleBaseline.code:
            old = compared.matched.get(number)
            path = old.path if old else named(ground.here / report.place(finding.where.path), baseline.folder)
            asked = old.asked if old else asked_for(report)
            made[finding.fingerprint, path] = Entry(path, finding.code, finding.fingerprint, asked, finding.message)
    return Baseline(baseline.file, tuple(made.values()))
