"""Rules: registration, selectors, the nearest name; and every rule's page, whose examples are its tests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from dtypecheck import checks, rule
from dtypecheck.findings import SEVERITIES, Finding, Fix, Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.rule import Rule, find, matching, nearest, page, rules
from dtypecheck.subjects import Component, Pipeline, Problem
from dtypecheck.testing import failures

checks.load()
ALL = rules()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, type[Rule]]:
    """A copy of the registry that is thrown away after the test."""
    copy = dict(rule._RULES)
    monkeypatch.setattr(rule, "_RULES", copy)
    return copy


def define(code: str, name: str = "MadeUp", annotation: object = Component) -> type[Rule]:
    def check(self: Rule, subject: object, known: Knowledge) -> Iterator[Finding]:
        yield self.finding(Where("x"), "made up")

    check.__annotations__["subject"] = annotation
    return type(name, (Rule,), {"code": code, "check": check, "__module__": __name__, "__doc__": "Made up."})


# what must be left alone


def test_a_base_class_without_a_code_is_not_registered(registry: dict[str, type[Rule]]) -> None:
    before = set(registry)
    define("")
    assert set(registry) == before


@pytest.mark.parametrize("word", ["", "D", "DT9", "X101", "101", "no-such-rule", "DT1 ", "dt", "error"])
def test_a_word_that_means_no_rule_matches_nothing(word: str) -> None:
    expected = tuple(kind.code for kind in ALL) if word == "dt" else ()
    assert matching(word) == expected
    assert find(word) is None


# registration


def test_a_rule_is_named_by_its_class_and_wants_what_its_check_is_annotated_with(registry: dict[str, type[Rule]]) -> None:
    made = define("DT998", "VaeNotWhatItSeems")
    assert (made.name, made.wants, registry["DT998"]) == ("vae-not-what-it-seems", (Component,), made)
    assert define("DT997", "Both", Component | Problem).wants == (Component, Problem)
    assert define("DT996", "Text", "Pipeline").wants == (Pipeline,)
    assert rules()[-1] is made


def test_two_rules_with_one_code_are_refused_by_name(registry: dict[str, type[Rule]]) -> None:
    define("DT998", "First")
    with pytest.raises(TypeError, match="Second and First have the same code DT998"):
        define("DT998", "Second")


@pytest.mark.parametrize("annotation", [int, "int", Where, object])
def test_a_check_that_wants_no_subject_is_refused_and_not_registered(registry: dict[str, type[Rule]], annotation: object) -> None:
    with pytest.raises(TypeError, match="must say which subject it wants"):
        define("DT998", annotation=annotation)
    assert "DT998" not in registry


def test_a_finding_of_a_rule_carries_its_code_name_and_severity() -> None:
    kind = ALL[0]
    found = kind().finding(Where("a"), "words", because="why", fix=Fix("do it"))
    assert (found.code, found.name, found.severity, found.message, found.because) == (
        kind.code,
        kind.name,
        kind.severity,
        "words",
        "why",
    )
    assert kind().finding(Where("a"), "words", severity="note").severity == "note"


# selectors


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_a_rule_is_found_by_code_and_name_in_any_case(kind: type[Rule]) -> None:
    for word in (kind.code, kind.code.lower(), kind.name, kind.name.upper()):
        assert find(word) is kind
        assert matching(word) == (kind.code,)


def test_a_prefix_means_its_family_in_the_order_of_codes() -> None:
    assert matching("DT") == tuple(kind.code for kind in ALL)
    assert matching("DT0") == tuple(kind.code for kind in ALL if kind.code.startswith("DT0"))
    assert matching("dt1") == tuple(kind.code for kind in ALL if kind.code.startswith("DT1"))
    assert list(matching("DT")) == sorted(matching("DT"))


def test_the_nearest_code_or_name_is_given() -> None:
    name = ALL[0].name
    assert nearest(name[:-1]) == name
    assert nearest(name.upper() + "S") == name
    assert nearest(ALL[0].code.lower() + "x") == ALL[0].code
    assert nearest("qqqqqqqq") is None


# pages


def test_a_page_is_read_into_summary_text_and_examples() -> None:
    class Sample:
        """One line.

        Words.

        ```bad
        a.json: {}
        ```

        More words.

        ```good
        b.json: {}
        c.json: {}
        ```

        ```python
        code()
        ```
        """

    read = page(Sample)  # type: ignore[arg-type]
    assert (read.summary, read.bad, read.good) == ("One line.", ("a.json: {}\n",), ("b.json: {}\nc.json: {}\n",))
    assert read.text.startswith("Words.\n")
    assert "More words." in read.text
    assert "```python" in read.text
    assert "```bad" not in read.text


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.code}-{kind.name}")
def test_the_page_of_a_rule_is_true(kind: type[Rule], known: Knowledge) -> None:
    assert failures(kind, known) == []


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_every_rule_has_a_code_of_a_family_a_severity_and_a_sentence(kind: type[Rule]) -> None:
    assert re.fullmatch(r"DT[0-4]\d\d", kind.code)
    assert kind.severity in SEVERITIES
    assert kind.wants
    assert page(kind).summary.endswith(".")
    assert kind.__module__.rpartition(".")[2] == kind.name.replace("-", "_")


def test_no_two_rules_share_a_name() -> None:
    assert len({kind.name for kind in ALL}) == len(ALL)
