"""What counts: selectors, suppressions with a reason, and the exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from dtypecheck import checks
from dtypecheck.dtypes import F16, F32
from dtypecheck.findings import Finding, Severity, Where
from dtypecheck.policy import Selection, UnknownRule, choose, codes, exit_code, rehearsal_code, selection, suppress, watch_code
from dtypecheck.report import Report
from dtypecheck.rule import rules
from dtypecheck.settings import Ignore, Override
from dtypecheck.subjects.shown import Outcome, Run, Tried

checks.load()
ALL = frozenset(kind.code for kind in rules())
ONE = next(kind for kind in rules() if kind.code.startswith("DT0"))
TWO = next(kind for kind in rules() if kind.code.startswith("DT1"))


def finding(code: str, severity: Severity = "error", path: str = "vae/config.json", muted: str | None = None) -> Finding:
    return Finding(code, "x", severity, Where(path), "words", muted=muted)


def report(*findings: Finding, pipelines: int = 1) -> Report:
    return Report(findings, seen=Counter(pipelines=pipelines))


BOTH = report(finding(ONE.code), finding(TWO.code))


def left(chosen: Report) -> list[str]:
    return [found.code for found in chosen.findings]


# what must be left alone


def test_without_selectors_nothing_is_left_out() -> None:
    assert choose(BOTH) == BOTH
    assert suppress(BOTH, ()) == BOTH
    assert codes(()) == codes(("", " , ")) == frozenset()


def test_a_suppression_of_another_rule_or_path_mutes_nothing() -> None:
    assert suppress(BOTH, [Ignore((TWO.code,), "why", "unet/*"), Ignore(("DT0",), "why", "*.safetensors")]) == BOTH


def test_a_finding_that_is_muted_already_keeps_its_reason() -> None:
    done = report(finding(ONE.code, muted="baseline"))
    assert suppress(done, [Ignore(("DT",), "other")]) == done


# selectors


def test_a_selector_is_a_code_a_prefix_a_name_or_several() -> None:
    assert codes([ONE.code]) == codes([ONE.name]) == codes([ONE.code.lower()]) == {ONE.code}
    assert codes(["DT0"]) == {code for code in ALL if code.startswith("DT0")}
    assert codes(["DT"]) == ALL
    assert (
        codes([f"{ONE.code},{TWO.name}"])
        == codes([f"{ONE.code} {TWO.code}"])
        == codes([ONE.code, TWO.code])
        == {ONE.code, TWO.code}
    )


@pytest.mark.parametrize("word", ["DT999", "DTX", "nothing-like-this", ONE.name[:-2], "DT00x"])
def test_an_unknown_selector_is_refused_everywhere_and_names_the_nearest(word: str) -> None:
    for use in (
        lambda: codes([word]),
        lambda: choose(BOTH, [word]),
        lambda: choose(BOTH, (), [word]),
        lambda: choose(BOTH, (), (), [word]),
    ):
        with pytest.raises(UnknownRule, match=f"no rule is called '{word}'"):
            use()
    with pytest.raises(UnknownRule):
        suppress(BOTH, [Ignore((word,), "why")])


def test_the_message_of_an_unknown_selector_says_the_nearest_name() -> None:
    with pytest.raises(UnknownRule, match=f"'{ONE.name}s'; the nearest is {ONE.name}$"):
        codes([ONE.name + "s"])


def test_selecting_keeps_only_these_and_extending_adds_to_them() -> None:
    assert left(choose(BOTH, [ONE.code])) == [ONE.code]
    assert left(choose(BOTH, ["DT0"], (), [TWO.name])) == [ONE.code, TWO.code]
    assert left(choose(BOTH, (), (), [TWO.name])) == [ONE.code, TWO.code]


def test_ignoring_wins_over_selecting() -> None:
    assert left(choose(BOTH, (), [ONE.name])) == [TWO.code]
    assert left(choose(BOTH, ["DT"], ["DT1"])) == [ONE.code]
    assert left(choose(BOTH, [ONE.code], [ONE.code], [ONE.code])) == []


# overrides


def test_the_last_select_of_the_overrides_takes_the_place_of_the_one_for_all_and_the_rest_adds() -> None:
    first = Override(("x",), select=("DT1",), ignore=(TWO.code,))
    second = Override(("x",), select=(ONE.code,), extend_select=("DT4",))
    made = selection(["DT2"], ["DT3"], ["DT2"], [first, second])
    four = {code for code in ALL if code.startswith(("DT2", "DT4"))}
    assert made.wanted == {ONE.code, *four}
    assert made.unwanted == {TWO.code, *(code for code in ALL if code.startswith("DT3"))}
    assert selection((), (), ("DT4",), [Override(("x",))]) == Selection()
    assert not selection(["DT1"], (), (), [first]).has(TWO.code)


def test_an_unknown_rule_of_an_override_is_refused() -> None:
    for override in (
        Override(("x",), select=("DT999",)),
        Override(("x",), ignore=("DT999",)),
        Override(("x",), (), (), ("DT999",)),
    ):
        with pytest.raises(UnknownRule, match="DT999"):
            selection((), (), (), [override])


def test_rules_may_be_chosen_by_place() -> None:
    here = replace(report(finding(ONE.code, path="a/x"), finding(ONE.code, path="b/x")), roots={"": "models"})
    done = choose(here, chosen=lambda place: Selection(frozenset({ONE.code} if place == "models/a/x" else ())))
    assert [found.where.path for found in done.findings] == ["a/x"]


# suppressions


def test_a_suppressed_finding_is_still_there_with_the_reason() -> None:
    done = suppress(BOTH, [Ignore((ONE.name,), "known since 2024", "vae/*"), Ignore(("DT",), "second")])
    assert [found.muted for found in done.findings] == ["known since 2024", "second"]
    assert [found.code for found in done.counted] == []


@pytest.mark.parametrize(
    ("pattern", "muted"),
    [
        ("*", True),
        ("vae/*", True),
        ("vae/config.json", True),
        ("*.json", True),
        ("config.json", False),
        ("VAE/*", False),
        ("v?e/*", True),
    ],
)
def test_the_path_of_a_suppression_is_a_glob_over_the_whole_path(pattern: str, muted: bool) -> None:
    (found,) = suppress(report(finding(ONE.code)), [Ignore(("DT",), "why", pattern)]).findings
    assert (found.muted == "why") is muted


# exit codes


@pytest.mark.parametrize(
    ("worst", "fail_on", "code"),
    [
        ("error", "error", 1), ("error", "warning", 1), ("error", "note", 1), ("error", "never", 0),
        ("warning", "error", 0), ("warning", "warning", 1), ("warning", "note", 1), ("warning", "never", 0),
        ("note", "error", 0), ("note", "warning", 0), ("note", "note", 1), ("note", "never", 0),
    ],
)  # fmt: skip
def test_the_exit_code_is_one_from_the_severity_asked_for(worst: Severity, fail_on: str, code: int) -> None:
    assert exit_code(report(finding(ONE.code, worst)), fail_on) == code
    assert exit_code(report(finding(ONE.code, worst), pipelines=0), fail_on) == code


def test_the_default_is_to_fail_on_errors() -> None:
    assert [exit_code(report(finding(ONE.code, severity))) for severity in ("error", "warning", "note")] == [1, 0, 0]


def test_a_muted_error_does_not_fail() -> None:
    assert exit_code(suppress(BOTH, [Ignore(("DT",), "why")])) == 0


def test_nothing_looked_at_is_three_also_where_nothing_fails() -> None:
    assert exit_code(report(pipelines=1)) == 0
    assert exit_code(Report()) == exit_code(Report(), "never") == exit_code(report(pipelines=0)) == 3


# a rehearsal's exit code

CRASH = Finding("DT301", "run-crashes", "error", Where("unet/config.json"), "words")


def rehearsed(verdict: Outcome, *findings: Finding) -> Report:
    return Report(findings, runs=(Run("rehearsed", verdict, "cuda"),))


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (rehearsed("runs"), 0),
        (rehearsed("crashes", CRASH), 1),
        (rehearsed("crashes", replace(CRASH, severity="warning")), 1),
        (rehearsed("unknown"), 3),
        (rehearsed("unknown") + rehearsed("runs"), 3),
        (rehearsed("unknown") + rehearsed("crashes", CRASH), 1),
        (rehearsed("crashes", CRASH.mute("why")), 0),
        (rehearsed("runs", finding("DT302", "warning")), 0),
        (Report(), 3),
    ],
)
def test_a_rehearsal_is_0_when_it_runs_1_when_it_crashes_3_when_nobody_knows(shown: Report, code: int) -> None:
    assert rehearsal_code(shown) == code


def test_a_rehearsal_fails_on_what_it_is_told_to_fail_on() -> None:
    promoted = rehearsed("runs", finding("DT302", "warning"))
    assert (rehearsal_code(promoted, "warning"), rehearsal_code(promoted, "error")) == (1, 0)
    assert rehearsal_code(rehearsed("unknown", finding("DT302", "warning")), "warning") == 1
    assert rehearsal_code(rehearsed("crashes", CRASH), "never") == 0
    assert rehearsal_code(rehearsed("unknown"), "never") == 3


def test_a_matrix_is_0_when_some_dtype_plan_runs() -> None:
    crashes, runs = Tried({"unet": F16}, "crashes"), Tried({"unet": F32}, "runs")
    assert rehearsal_code(Report(matrix={".": (crashes, runs)})) == 0
    assert rehearsal_code(Report(matrix={".": (crashes,)})) == 1
    assert rehearsal_code(Report(matrix={".": (replace(crashes, verdict="unknown"),)})) == 1


# a watched script's exit code


def watched(*codes: int, findings: tuple[Finding, ...] = (), seen: int = 1) -> Report:
    runs = tuple(Run("watched", "runs", "cuda", code=code) for code in codes)
    return Report(findings, seen=Counter(watched=seen), runs=runs)


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (watched(0), 0),
        (watched(7), 7),
        (watched(0, findings=(finding("DT307"),)), 1),
        (watched(7, findings=(finding("DT307"),)), 7),
        (watched(0, findings=(finding("DT308", "warning"),)), 0),
        (watched(0, findings=(finding("DT307", muted="why"),)), 0),
        (watched(0, seen=0), 3),
        (watched(130, seen=0), 130),
        (watched(0, 0, 3, 4), 3),
    ],
)
def test_a_watched_script_keeps_its_own_code_and_gets_ours_where_that_is_0(shown: Report, code: int) -> None:
    assert watch_code(shown) == code


def test_a_watched_script_fails_on_what_it_is_told_to_fail_on() -> None:
    warned = watched(0, findings=(finding("DT308", "warning"),))
    assert [watch_code(warned, level) for level in ("error", "warning", "never")] == [0, 1, 0]
