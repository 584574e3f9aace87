"""The report as JUnit XML: a test for each component, pipeline, run and script, so that what is sound is seen too."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..findings import Finding
from ..report import Report
from ..subjects import Pipeline
from ..subjects.shown import Run
from .ci import at, counts, loaded, named, said, told
from .options import Look, Out
from .words import clean, verdict
from .words_runs import of_run


@dataclass(slots=True)
class Case:
    """One test. suite: what it is grouped under. told: what is known of it. failed, skipped: why, "" for neither."""

    suite: str
    name: str
    file: str = ""
    told: str = ""
    findings: list[Finding] = field(default_factory=list)
    failed: str = ""
    skipped: str = ""

    @property
    def faults(self) -> list[Finding]:
        """The errors and warnings about it."""
        return [finding for finding in self.findings if finding.severity != "note"]


def render(report: Report, out: Out, look: Look) -> None:
    """XML in ASCII, so that no stream can spoil it: errors and warnings fail a test, notes stand beside it."""
    root = document(report)
    ET.indent(root)
    out.write(ET.tostring(root, "us-ascii", xml_declaration=True).decode() + "\n")


def document(report: Report) -> ET.Element:
    """The tests by suite: a gate's verdict, each pipeline with its components and runs, scripts, and files of none of them."""
    made = cases(report)
    root = ET.Element("testsuites", {"name": "dtypecheck", **_numbers(made)})
    for name in dict.fromkeys(case.suite for case in made):
        own = [case for case in made if case.suite == name]
        suite = ET.SubElement(root, "testsuite", {"name": clean(name), **_numbers(own)})
        for case in own:
            _written(suite, case, report)
    return root


def cases(report: Report) -> list[Case]:
    """Every test, each finding that counts in one of them."""
    gate, by_part, by_path = list(_gate(report)), dict[tuple[str, str], Case](), dict[str, Case]()
    runs = [_run(run, report) for run in report.runs]
    for pipeline in report.pipelines:
        suite = _suite(pipeline, report)
        by_part[pipeline.path, ""] = Case(suite, pipeline.klass or pipeline.kind, report.place(pipeline.path))
        for part in pipeline.components:
            by_part[pipeline.path, part.name] = Case(suite, named(part), report.place(pipeline.path), loaded(part))
    for path in report.roots:
        if path.endswith((".py", ".ipynb")):
            by_path[path] = Case("scripts", report.place(path), report.place(path))
    for finding in report.counted:
        case = by_part.get((finding.pipeline, finding.component)) or by_part.get((finding.pipeline, ""))
        if case is None:
            path = finding.where.path
            suite = "scripts" if path.endswith((".py", ".ipynb")) else "files"
            case = by_path.setdefault(path, Case(suite, report.place(path), report.place(path)))
        case.findings.append(finding)
    return [*gate, *by_part.values(), *runs, *by_path.values()] or [_nothing(report)]


def _nothing(report: Report) -> Case:
    text = verdict(report)
    return Case("dtypecheck", report.label or "report", skipped="" if text.startswith("ok") else text)


def _gate(report: Report) -> Iterator[Case]:
    if gate := report.gate:
        told_of = "\n".join(f"not checked: {clean(text)}" for text in gate.unchecked)
        words = clean(f"{gate.verdict}: {gate.because}")
        lacking = gate.verdict == "not proven" and not gate.lacking
        failed = words if gate.verdict != "deploy" and not lacking else ""
        yield Case("gate", "gate", told=told_of, failed=failed, skipped=words if lacking else "")


def _suite(pipeline: Pipeline, report: Report) -> str:
    return report.label or "." if pipeline.path == "." else pipeline.path


def _run(run: Run, report: Report) -> Case:
    """A run: it fails where it crashed and that was not muted, and is skipped where nobody knows."""
    suite = _suite(run.pipeline, report) if run.pipeline else run.script or report.label
    words = clean(of_run(run))
    case = Case(suite, f"{run.how} on {run.device}", report.place(run.script) if run.script else "", words)
    path = run.pipeline.path if run.pipeline else None
    told_of = (f for f in report.counted if f.name == "run-crashes" and (f.pipeline == path or f.where.path == run.script))
    case.failed = words if run.verdict == "crashes" and any(told_of) else ""
    case.skipped = words if run.verdict == "unknown" else ""
    return case


def _numbers(made: list[Case]) -> dict[str, str]:
    failed = sum(bool(case.faults or case.failed) for case in made)
    skipped = sum(bool(case.skipped) and not case.faults and not case.failed for case in made)
    return {"tests": str(len(made)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}


def _written(suite: ET.Element, case: Case, report: Report) -> None:
    test = ET.SubElement(suite, "testcase", classname=clean(case.suite), name=clean(case.name))
    if case.file and case.file != ".":
        test.set("file", clean(case.file))
    faults = case.faults
    if faults:
        more = f" (and {len(faults) - 1} more: {counts(tuple(faults))})" if len(faults) > 1 else ""
        failure = ET.SubElement(test, "failure", message=_line(faults[0]) + more, type=faults[0].code)
        failure.text = "\n".join(text for fault in faults for text in _full(fault, report))
    elif case.failed:
        ET.SubElement(test, "failure", message=case.failed, type="dtypecheck").text = case.failed
    elif case.skipped:
        ET.SubElement(test, "skipped", message=case.skipped)
    notes = [finding for finding in case.findings if finding.severity == "note"]
    words = [*case.told.splitlines(), *(text for note in notes for text in _full(note, report))]
    if words:
        ET.SubElement(test, "system-out").text = "\n".join(map(clean, words))


def _line(finding: Finding) -> str:
    return f"{finding.severity} {finding.code} {said(finding)}"


def _full(finding: Finding, report: Report) -> Iterator[str]:
    yield f"{at(finding.where, report)}: {_line(finding)}"
    yield from (f"  {text}" for text in told(finding, report))
