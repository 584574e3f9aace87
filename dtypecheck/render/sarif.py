"""The report as SARIF 2.1.0: what GitHub's code scanning, editors and other viewers of findings read.

Paths are relative to the working directory, the base `%SRCROOT%`: GitHub wants that to be the root of the repository. Code of a
library stands below `%LIBRARIES%`. A fix that is made of text edits alone is given as edits; of others there is only the title,
because SARIF knows no fix without edits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from .. import __version__
from ..findings import Finding, Where
from ..report import Report
from .ci import identity, in_cell, line, said
from .options import Look, Out
from .sarif_fixes import fixes
from .sarif_rules import described, escaped
from .words import clean
from .words_runs import verdicts

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASES: Final = {
    "%SRCROOT%": "The working directory of the run; for code scanning that is the root of the repository.",
    "%LIBRARIES%": "The folder that the Python libraries are installed in.",
}
Json = dict[str, Any]


def render(report: Report, out: Out, look: Look) -> None:
    """One SARIF log in ASCII, keys in a fixed order, findings sorted; it is the same at every verbosity."""
    out.write(json.dumps(document(report), indent=2, allow_nan=False) + "\n")


def document(report: Report) -> Json:
    """The log as plain dicts and lists: one run, with the rules that its findings name."""
    found = sorted(report.findings, key=lambda finding: finding.key)
    rules = described(found)
    order = {rule["id"]: number for number, rule in enumerate(rules)}
    gate = report.gate
    said_of = {"verdict": list(verdicts(report)), "seen": dict(sorted(report.seen.items()))}
    unchecked = list(map(clean, gate.unchecked)) if gate else []
    judged = {"gate": {"verdict": gate.verdict, "because": clean(gate.because), "unchecked": unchecked}} if gate else {}
    run = {
        "tool": {"driver": {"name": "dtypecheck", "version": __version__, "rules": rules}},
        "automationDetails": {"id": _category(report)},
        "originalUriBaseIds": {name: {"description": {"text": words}} for name, words in BASES.items()},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(finding, report, order) for finding in found],
        "properties": judged | said_of,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, report: Report, order: dict[str, int]) -> Json:
    text = escaped(f"{_sentence(said(finding))}{_fix(finding)}")
    result: Json = {
        "ruleId": finding.code,
        "ruleIndex": order[finding.code],
        "level": finding.severity,
        "message": {"text": text},
        "locations": [_location(finding.where, report)],
    }
    if finding.against and finding.against != finding.where:
        words = "The other witness."
        result["relatedLocations"] = [{"id": 1, **_location(finding.against, report), "message": {"text": words}}]
    result["partialFingerprints"] = {"dtypecheck/v1": identity(finding)}
    result["suppressions"] = list(_suppressions(finding))
    if made := fixes(finding, report, artifact(finding.where.path, report)):
        result["fixes"] = made
    result["properties"] = dict(_more(finding))
    return result


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _fix(finding: Finding) -> str:
    return f" Fix: {_sentence(clean(finding.fix.title))}" if finding.fix else ""


def _more(finding: Finding) -> Iterator[tuple[str, Any]]:
    for name in ("because", "says", "pipeline", "component"):
        if words := getattr(finding, name):
            yield name, clean(words)
    if finding.fix:
        yield "fix", {"title": clean(finding.fix.title), "lossless": finding.fix.lossless, "verified": finding.fix.verified}
    if finding.alternatives:
        yield "alternatives", list(map(clean, finding.alternatives))


def _suppressions(finding: Finding) -> Iterator[Json]:
    """Who muted it: the comment in the script is inSource, settings and baseline are external. An empty list says: it counts."""
    if finding.muted is not None:
        kind = "inSource" if finding.muted_by == "source" else "external"
        justification = clean(finding.muted) or "no reason given"
        yield {"kind": kind, "justification": justification}


def _location(where: Where, report: Report) -> Json:
    region: Json = {"startLine": line(where)}
    if (words := report.lines.get(where)) and not in_cell(where):
        region["snippet"] = {"text": clean(words)}
    place: Json = {"physicalLocation": {"artifactLocation": artifact(where.path, report), "region": region}}
    if where.at:
        named = {"fullyQualifiedName": clean(where.at)}
        kind = "property" if where.at.startswith("/") else "" if in_cell(where) else "member"
        place["logicalLocations"] = [named | ({"kind": kind} if kind else {})]
    return place


def artifact(path: str, report: Report) -> Json:
    """Where a file is: a path in an URI's spelling, below one of the bases; one on another drive is absolute."""
    seen = report.place(path)
    if seen.startswith("/") or seen[1:3] == ":/":
        return {"uri": f"file:///{uri(seen.lstrip('/'))}"}
    library = seen == path and path.endswith(".py") and path.split("/")[0] in {name for name, _, _ in report.request.libraries}
    return {"uri": uri(seen), "uriBaseId": "%LIBRARIES%" if library else "%SRCROOT%"}


def uri(path: str) -> str:
    """A posix path in percent signs, byte by byte: names that are no UTF-8 too."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "surrogatepass")
    return quote(data, safe="/") or "."


def _category(report: Report) -> str:
    """What tells the runs of one commit apart: GitHub takes a later log of the same category for the newer state of it."""
    request = report.request
    asked = str(request) if request.dtypes else ""
    target = report.pipelines[0].path if len(report.pipelines) == 1 else "."
    parts = ["dtypecheck", report.place(target) if report.roots else "", asked, request.variant or "", request.device or ""]
    kept = [uri(part) for part in parts if part and part != "." and not part.startswith(("/", ".."))]
    return "/".join(kept) + "/"
