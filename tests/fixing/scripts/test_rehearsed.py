"""The collected bugs that a fix mends, rehearsed before and after it: no crash is new, and where the fault is one, it is gone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from dtypecheck.files import Memory
from dtypecheck.request import versions
from dtypecheck.rule import find, page
from dtypecheck.subjects.shown import Run
from dtypecheck.testing import lay_out
from tests.checks.script_cases import BUGS
from tests.fixing.scripts.case_models import NEEDS, SEEN_BY_NOBODY, Needs
from tests.fixing.scripts.mended import KNOWN, codes, mend
from tests.fixing.scripts.small_models import folder

SAMPLE = ("DT-012", "DT-053", "DT-158", "DT-159", "DT-178", "DT-216")
"""What the default suite rehearses: five rules, functions of torch, a model alone and a pipeline."""
CRASHES = {
    *("DT-009", "DT-012", "DT-052", "DT-053", "DT-055", "DT-060", "DT-139", "DT-148", "DT-158", "DT-159"),
    *("DT-160", "DT-178", "DT-208", "DT-216", "DT-218", "DT-241"),
}
"""The cases whose fault is a crash, where the rehearsal comes to it; those of the others are numbers, or what a run costs."""
Rehearsed = Callable[[str, Needs], tuple[str, Run, Run]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where small models are made as they are asked for."""
    import transformers.models.auto.modeling_auto  # noqa: F401 - its classes copy what they find when they are imported

    return tmp_path_factory.mktemp("small")


@pytest.fixture
def rehearsed(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rehearsed:
    """A script as it is mended, and its rehearsals before and after."""
    from dtypecheck.runs.script import rehearse_script

    monkeypatch.chdir(tmp_path)

    def play(text: str, needs: Needs) -> tuple[str, Run, Run]:
        text = text.replace(*needs.whole) if needs.whole[0] else text
        if needs.names:
            text = f"from given import {', '.join(needs.names)}\n{text}"
            Path("given.py").write_text(needs.given)
        _, _, later = mend(Memory({"s.py": text.encode()}))
        then = later.contents["s.py"].decode()
        models = {name: folder(small, place) for name, place in needs.models.items()}
        runs: list[Run] = []
        for version in (text, then):
            sys.modules.pop("given", None)
            Path("s.py").write_text(version + needs.tail)
            runs.append(rehearse_script(Path("s.py"), (), KNOWN, "cuda", models, versions([])))
        sys.modules.pop("given", None)
        return then, runs[0], runs[1]

    return play


def script(name: str) -> str:
    """A case without its mark."""
    return "\n".join(line.partition("  # ->")[0] for line in dedent(BUGS[name]).strip("\n").split("\n")) + "\n"


def fixable() -> list[str]:
    """The cases in which a fix edits something."""
    return [name for name in BUGS if mend(Memory({"s.py": script(name).encode()}))[0]]


def judge(name: str, rehearsed: Rehearsed) -> None:
    """The bar, for one case."""
    then, before, after = rehearsed(script(name), NEEDS[name])
    assert codes(Memory({"s.py": then.encode()})) == []
    if name in SEEN_BY_NOBODY:
        assert SEEN_BY_NOBODY[name] in before.reason
        assert (after.verdict, after.reason) == (before.verdict, before.reason)
        return
    assert after.verdict != "crashes", after.crash
    assert (before.verdict == "crashes") == (name in CRASHES), (before.reason, before.crash)
    assert after.verdict == "runs" or name == "DT-009", after.reason  # whose latents have the size of the real model


@pytest.mark.parametrize("name", SAMPLE)
def test_the_crash_of_a_script_is_gone_after_its_fix(name: str, rehearsed: Rehearsed) -> None:
    judge(name, rehearsed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NEEDS if name not in SAMPLE])
def test_no_script_crashes_after_its_fix_that_did_not_before(name: str, rehearsed: Rehearsed) -> None:
    judge(name, rehearsed)


def test_every_case_with_a_fix_is_rehearsed() -> None:
    assert fixable() == list(NEEDS)
    assert set(SAMPLE) <= CRASHES <= set(NEEDS) - set(SEEN_BY_NOBODY)
    assert len(SEEN_BY_NOBODY) <= 6


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("DT219", Needs()),
        ("DT228", Needs()),
        ("DT230", Needs()),
        pytest.param("DT224", Needs({"black-forest-labs/FLUX.1-dev": "FluxPipeline"}), marks=pytest.mark.slow),
    ],
)
def test_the_crash_of_a_page_is_gone_after_its_fix(code: str, needs: Needs, rehearsed: Rehearsed) -> None:
    rule = find(code)
    assert rule is not None
    (text,) = lay_out(page(rule).bad[0]).files.contents.values()
    _, before, after = rehearsed(text.decode(), needs)
    assert (before.verdict, after.verdict) == ("crashes", "runs"), (before.reason, after.reason, after.crash)
