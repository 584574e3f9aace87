"""The pages of rules are their tests: each bad example fires, each good one is silent."""

from __future__ import annotations

import tomllib

from ..engine import judge, planned, report_runs, scan
from ..engine.scripts import Folders, scan_scripts
from ..files import Memory
from ..findings import Finding, Where
from ..knowledge import Knowledge
from ..policy.demands import unmet
from ..read.header import INTERRUPTED_FIX, STALE_BASELINE
from ..request import make
from ..rule import Rule, page
from ..settings import parse_demands
from ..subjects import Problem
from .files import lay_out


def findings(text: str, known: Knowledge | None = None) -> tuple[Finding, ...]:
    """Every finding of a scan of an example, and of the run in it."""
    known = known or Knowledge()
    example = lay_out(text)
    options = example.options
    libraries = [*options.get("lib", []), *_NEWEST]
    one = {name: next(iter(options.get(name, [])), None) for name in ("dtype", "variant", "device")}
    request = make(one["dtype"], one["variant"], one["device"], libraries, known)
    adapters = options.get("adapter", [])
    rest = {name: content for name, content in example.files.contents.items() if name not in adapters}
    sizes = example.files.sizes
    given = [Memory({name: example.files.contents[name]}, name, {name: sizes[name]}) for name in adapters]
    files = Memory(rest, "example", sizes)
    stopped = [Problem(INTERRUPTED_FIX, Where("."), text) for text in options.get("interrupted", [])]
    stopped += [Problem(STALE_BASELINE, Where("dtypecheck.baseline.json"), text) for text in options.get("stale", [])]
    depth = next(iter(options.get("values", [])), None)
    report = scan(files, request, known, given, values=depth, problems=stopped)  # type: ignore[arg-type]
    found = report.findings
    for policy in options.get("policy", []):
        found += tuple(judge(None, unmet(report, parse_demands(tomllib.loads(policy), "policy")), known))
    found += scan_scripts(files, request, known, Folders(known, within=files), options.get("argument", [])).findings
    if example.shown is None:
        return found
    run = example.shown.run(next(planned(files, request, known), None))
    return found + report_runs((run,), known, request).findings


_NEWEST = ("diffusers==0.42.1", "transformers==5.23.0")


def failures(rule: type[Rule], known: Knowledge | None = None) -> list[str]:
    """What is wrong with a rule's page: no summary, no examples, a *bad* that does not fire, a *good* that does."""
    read = page(rule)
    wrong = [] if read.summary else [f"{rule.name}: the page has no first line"]
    wrong += [] if read.text else [f"{rule.name}: the page says nothing"]
    wrong += [f"{rule.name}: no example {kind}" for kind, examples in (("bad", read.bad), ("good", read.good)) if not examples]
    for kind, examples, wanted in (("bad", read.bad, True), ("good", read.good, False)):
        for number, text in enumerate(examples, 1):
            fired = any(finding.code == rule.code for finding in findings(text, known))
            if fired != wanted:
                wrong.append(f"{rule.name}: example {kind} {number} is {'silent' if wanted else 'not silent'}")
    return wrong
