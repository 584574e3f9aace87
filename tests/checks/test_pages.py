"""What the rules' own pages promise beyond firing and silence: a fix with edits makes the finding go, and brings no other."""

from __future__ import annotations

import json

import pytest

from dtypecheck import checks
from dtypecheck.edits import Edit, Rename, SetKey
from dtypecheck.rule import Rule, page, rules
from dtypecheck.testing import findings

checks.load()


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    """An example after the edits of a fix, in its own notation."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for edit in edits:
        path = edit.path
        at = next(i for i, line in enumerate(lines) if line.startswith(path + ": "))
        body = lines[at].removeprefix(path + ": ")
        match edit:
            case SetKey(pointer=pointer, value=value):
                content = json.loads(body)
                content[pointer.lstrip("/")] = json.loads(value)
                lines[at] = f"{path}: {json.dumps(content)}"
            case Rename(name=name):
                folder = path.rpartition("/")[0]
                lines[at] = f"{folder + '/' if folder else ''}{name}: {body}"
            case _:
                pytest.skip("this edit changes weights")
    return "\n".join(lines)


EDITED = [
    (rule, text, finding)
    for rule in rules()
    for text in page(rule).bad
    for finding in findings(text)
    if finding.code == rule.code and finding.fix and finding.fix.edits
]


def test_some_rules_offer_edits() -> None:
    assert {rule.code for rule, _, _ in EDITED} >= {"DT102", "DT121"}


@pytest.mark.parametrize(("rule", "text", "finding"), EDITED, ids=[rule.name for rule, _, _ in EDITED])
def test_applying_the_fix_of_a_page_makes_the_finding_go_and_brings_no_other(rule: type[Rule], text: str, finding) -> None:  # type: ignore[no-untyped-def]
    before = {found.code for found in findings(text)}
    after = {found.code for found in findings(applied(text, finding.fix.edits))}
    assert rule.code not in after
    assert not after - before


def test_a_verified_fix_names_a_request_under_which_the_example_has_no_error() -> None:
    checked = 0
    for rule in rules():
        for text in page(rule).bad:
            for finding in findings(text):
                if finding.fix and finding.fix.verified and "torch_dtype=torch." in finding.fix.title:
                    dtype = finding.fix.title.split("torch_dtype=torch.")[1].split(",")[0].rstrip(")")
                    variant = finding.fix.title.split('variant="')[1].split('"')[0] if 'variant="' in finding.fix.title else ""
                    rest = [line for line in text.splitlines() if not line.strip().startswith("$ --dtype")]
                    asked = f"$ --dtype {dtype}" + (f" --variant {variant}" if variant else "")
                    assert not [f for f in findings("\n".join([asked, *rest])) if f.severity == "error"], rule.name
                    checked += 1
    assert checked >= 2
