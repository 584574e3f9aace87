"""Every bad example of a rule about scripts is clean after its fix, where an edit of the script can mend it."""

from __future__ import annotations

import pytest

from dtypecheck.fixing.propose.case import Wish
from dtypecheck.fixing.scripts import NO_EDITS, REMEDIES
from dtypecheck.rule import page, rules
from dtypecheck.testing import lay_out
from tests.fixing.scripts.mended import codes, mend

PAGES = [
    (rule.code, number, text)
    for rule in rules()
    if rule.code.startswith("DT2") and rule.code in REMEDIES
    for number, text in enumerate(page(rule).bad)
]

LEFT = {("DT227", 1): "the script does not say"}
"""Examples of rules with remedies that none of them fits: a table of one's own, made in half."""


@pytest.mark.parametrize(("code", "number", "text"), PAGES, ids=[f"{code}-{number}" for code, number, _ in PAGES])
def test_every_bad_example_of_a_page_is_clean_after_its_fix(code: str, number: int, text: str) -> None:
    example = lay_out(text)
    files, device = example.files, next(iter(example.options.get("device", [])), None)
    steps, left, later = mend(files, device=device)
    if '"auto"' in text:
        assert not steps
        assert "--dtype" in left[0].why
        steps, left, later = mend(files, dtype="bf16")
    if (code, number) in LEFT:
        assert not steps
        assert LEFT[code, number] in left[0].why
        return
    if device:  # it runs there, slowly: what takes its place costs something else, and is taken only if asked for
        assert not steps
        assert "--strategy" in left[0].why
        steps, left, later = mend(files, device=device, wish=Wish(strategies=("fp32",)))
    assert [step for step in steps if code in step.codes]
    assert not left
    assert codes(later, device) == []
    assert mend(later, device=device)[0] == []


def test_every_rule_about_scripts_has_a_remedy_or_a_reason_for_none() -> None:
    of_scripts = {rule.code for rule in rules() if rule.code.startswith("DT2")}
    assert set(REMEDIES) | set(NO_EDITS) == of_scripts
    assert not set(REMEDIES) & set(NO_EDITS)
