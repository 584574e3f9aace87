"""What one target of a fleet gave: a line of JSON that says the verdict first and holds the whole report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

VERSION: Final = 1
Outcome = Literal["judged", "nothing", "failed"]
"""Looked at; nothing there to look at (no access, no network, no weights); or whoever looked at it ended or failed."""


class Job(NamedTuple):
    """A target to be judged. known: the state that a result is kept for, "" for none."""

    target: str
    known: str = ""


class Row(NamedTuple):
    """What became of a job. state: of its files, "" where it cannot be told. text: a line, None where nothing has changed."""

    target: str
    state: str
    text: bytes | None


class Fault(NamedTuple):
    """Why a batch of jobs gave nothing. killed: whoever did it is gone, which may be no fault of theirs."""

    why: str
    killed: bool = False


Batch = tuple[Job, ...]


def judged(target: str, document: Mapping[str, Any], state: str = "") -> Row:
    """The row of a target that was looked at. document: its report as JSON has it."""
    counts = {"error": 0, "warning": 0, "note": 0}
    for finding in document["findings"]:
        if finding["muted"] is None:
            counts[finding["severity"]] += 1
    verdict = next((severity for severity, count in counts.items() if count), "ok")
    return Row(target, state, _line(target, "judged", None, verdict, counts, document))


def unjudged(target: str, why: str, outcome: Outcome = "failed") -> Row:
    """The row of a target that could not be looked at; it is never kept: next time it may be there."""
    plain = " ".join(why.split()).removeprefix(f"{target}: ")
    return Row(target, "", _line(target, outcome, plain, None, {"error": 0, "warning": 0, "note": 0}, None))


def _line(
    target: str,
    outcome: Outcome,
    why: str | None,
    verdict: str | None,
    counts: Mapping[str, int],
    document: Mapping[str, Any] | None,
) -> bytes:
    told = {"version": VERSION, "target": target, "outcome": outcome, "why": why, "verdict": verdict, "counts": counts}
    return json.dumps({**told, "report": document}, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class BadLine(ValueError):
    """A line that is none of a fleet; the text says why."""


class CutOff(BadLine):
    """The last line of a file whose writer was stopped; what stands before it is good."""


def read_line(line: bytes) -> dict[str, Any]:
    """A row again. errors: BadLine."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise BadLine("it is no JSON") from None
    if not isinstance(row, dict) or not isinstance(row.get("target"), str) or "outcome" not in row:
        raise BadLine("it is no line of dtypecheck fleet")
    if row.get("version") != VERSION:
        raise BadLine(f"it is of version {row.get('version')!r}, this dtypecheck reads version {VERSION}")
    report, counts = row.get("report"), row.get("counts")
    fine = row["outcome"] in ("judged", "nothing", "failed") and isinstance(counts, dict)
    if not fine or (row["outcome"] == "judged") != isinstance(report, dict):
        raise BadLine("it is no line of dtypecheck fleet")
    return row


def classes_of(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What a report's pipelines are: their classes, or what kind of thing they are."""
    found = (pipeline["class"] or _only(pipeline["components"]) or pipeline["kind"] for pipeline in report["pipelines"])
    return tuple(dict.fromkeys(found))


def stored_in(report: Mapping[str, Any]) -> dict[str, int]:
    """Parameters by the dtype that they are stored in, the most first."""
    found: dict[str, int] = {}
    for pipeline in report["pipelines"]:
        for component in pipeline["components"]:
            for dtype, count in component["stored"].items():
                found[dtype] = found.get(dtype, 0) + count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def unmuted(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The findings that count, the worst first."""
    return [finding for finding in report["findings"] if finding["muted"] is None]


def _only(components: Sequence[Mapping[str, Any]]) -> str | None:
    return components[0]["class"] if len(components) == 1 else None
