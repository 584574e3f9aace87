"""Several processes of one script: equal findings once, ranks where not all had them, one run of them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dtypecheck.checks.ranks import are_ranks, merged
from dtypecheck.dtypes import F16
from dtypecheck.engine import report_runs
from dtypecheck.knowledge import Knowledge
from dtypecheck.render.json import document
from dtypecheck.subjects import Request
from dtypecheck.subjects.numbers import Picture, Producer
from dtypecheck.subjects.shown import Crash, ModuleRow, Run

RUN = Run("watched", "runs", "cuda", script="train.py")
FIRST = Producer("unet.a", 1, F16, "inf", reaches="unet", absmax_in=61_000.0)
OTHER = Producer("unet.b", 1, F16, "inf", killed_by="unet.c")


def ranks(*runs: Run) -> tuple[Run, ...]:
    return tuple(replace(run, ranks=(number,)) for number, run in enumerate(runs))


def messages(known: Knowledge, *runs: Run) -> list[str]:
    return [finding.message for finding in report_runs(runs, known, Request()).findings]


def test_what_all_processes_had_is_said_once_and_names_none(known: Knowledge) -> None:
    run = replace(RUN, producers=(FIRST,))
    (message,) = messages(known, *ranks(run, replace(run, producers=(replace(FIRST, absmax_in=60_000.0),))))
    assert message == "the output of unet is not finite: unet.a (fp16) overflowed: inputs finite, largest 61,000"


@pytest.mark.parametrize(
    ("having", "words"),
    [((0,), " (on rank 0 of 4)"), ((1, 3), " (on ranks 1 and 3 of 4)"), ((0, 1, 2), " (on ranks 0, 1 and 2 of 4)")],
)
def test_what_some_had_says_which(having: tuple[int, ...], words: str, known: Knowledge) -> None:
    runs = ranks(*(replace(RUN, producers=(FIRST,)) if rank in having else RUN for rank in range(4)))
    (message,) = messages(known, *runs)
    assert message.endswith(words)


def test_the_worst_of_the_processes_is_told(known: Knowledge) -> None:
    mild = replace(RUN, producers=(replace(FIRST, reaches="", killed_by="unet.z"),))
    (finding,) = report_runs(ranks(mild, replace(RUN, crash=None)), known, Request()).findings
    assert (finding.severity, finding.message.endswith("(on rank 0 of 2)")) == ("warning", True)


def test_fingerprints_do_not_depend_on_who_had_it(known: Knowledge) -> None:
    run = replace(RUN, producers=(FIRST,))
    (all_of_them,) = report_runs(ranks(run, run), known, Request()).findings
    (one,) = report_runs(ranks(run, RUN), known, Request()).findings
    assert all_of_them.fingerprint == one.fingerprint


def test_runs_of_two_scripts_or_without_ranks_are_no_ranks() -> None:
    assert are_ranks(ranks(RUN, RUN))
    assert not are_ranks((RUN, RUN))
    assert not are_ranks(ranks(RUN))
    assert not are_ranks(ranks(RUN, replace(RUN, script="other.py")))
    assert not are_ranks((replace(RUN, ranks=(0,)), replace(RUN, ranks=(0,))))
    assert not are_ranks(ranks(RUN, replace(RUN, how="rehearsed")))


def test_all_processes_together_are_one_run_with_the_worst_verdict_and_the_largest_numbers() -> None:
    crash = Crash("unet.a", "linear", "says")
    row = ModuleRow("unet.a", 3, F16, F16, 12.0)
    first = replace(RUN, producers=(FIRST, OTHER), modules=(row,), pictures=(Picture("nan"),), steps={"unet": 3}, limits=("x",))
    second = replace(
        RUN,
        verdict="crashes",
        crash=crash,
        producers=(FIRST,),
        modules=(replace(row, absmax=None), replace(row, module="b")),
        steps={"unet": 5, "vae": 1},
        code=1,
        limits=("x", "y"),
        pictures=(Picture("ok"),),
    )
    made = merged(ranks(first, second))
    assert (made.ranks, made.verdict, made.crash, made.code) == ((0, 1), "crashes", crash, 1)
    assert made.producers == (FIRST, OTHER)
    assert made.modules == (replace(row, calls=6), replace(row, module="b"))
    assert [picture.verdict for picture in made.pictures] == ["nan", "ok"]
    assert (made.steps, made.limits) == ({"unet": 5, "vae": 1}, ("x", "y"))


def test_json_has_all_of_them_as_one_and_each(known: Knowledge) -> None:
    runs = ranks(replace(RUN, producers=(FIRST,)), RUN)
    made = document(report_runs(runs, known, Request()))
    assert made["run"]["ranks"] == [0, 1]
    assert [run["ranks"] for run in made["runs"]] == [[0], [1]]
    apart = document(report_runs((RUN, replace(RUN, script="other.py")), known, Request()))
    assert apart["run"] is None
    assert [run["script"] for run in apart["runs"]] == ["train.py", "other.py"]
