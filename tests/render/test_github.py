"""Annotations in a workflow's log: read back as the runner does, the worst first, and no line of a stranger is a command."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.findings import Finding, Where
from dtypecheck.render import renderer
from dtypecheck.render.github import MOST, summary
from dtypecheck.render.options import Look
from dtypecheck.report import Report

from . import made

COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?: (?P<given>[^\n]*?))?::(?P<data>.*)")
OLD = re.compile(r"##\[[^\]]*\]")


def log(report: Report, verbosity: int = 0) -> list[str]:
    out = StringIO()
    renderer("github")(report, out, Look(verbosity))
    assert out.getvalue().endswith("\n")
    return out.getvalue().split("\n")[:-1]


def commands(lines: list[str]) -> list[tuple[str, dict[str, str], str]]:
    """What the runner takes for commands: name, properties and message, its escapes undone; spaces in front are no matter."""
    found = []
    for line in lines:
        read = COMMAND.match(line.lstrip())
        assert read or not OLD.search(line), line
        if read:
            pairs = dict(pair.split("=", 1) for pair in (read["given"] or "").split(",") if pair)
            undone = {key: undo(value, ":,") for key, value in pairs.items()}
            found.append((read["name"], undone, undo(read["data"])))
    return found


def undo(text: str, more: str = "") -> str:
    for sign in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text


def annotations(report: Report, verbosity: int = 0) -> list[tuple[str, dict[str, str], str]]:
    return [command for command in commands(log(report, verbosity)) if command[0] in ("error", "warning", "notice")]


def test_an_annotation_stands_at_its_line_and_says_all() -> None:
    first, second, third = annotations(made.mixed())
    assert first == (
        "error",
        {"file": "models/sd xl/vae/config.json", "line": "3", "title": "DT102 declared-dtype-narrows"},
        "the config declares float16\nfix: declare bfloat16",
    )
    assert second == (
        "warning",
        {"file": "ci/serve.py", "line": "14", "title": "DT201 unknown-keyword"},
        "torch_dtyp is no keyword of from_pretrained\nagainst: diffusers/pipelines/x.py:1290\nfix: write torch_dtype",
    )
    assert third[1]["line"] == "1"
    assert third[2] == "cell 3, line 7: pipe is cast after it was moved"


def test_notes_are_annotated_only_with_v_and_with_q_only_errors_are() -> None:
    assert [kind for kind, _, _ in annotations(made.mixed(), 1)] == ["error", "warning", "warning", "notice"]
    assert [kind for kind, _, _ in annotations(made.mixed(), -1)] == ["error"]


def test_no_more_of_a_kind_than_github_shows_and_a_line_says_how_many_there_are() -> None:
    found = annotations(made.crowd(40), 1)
    assert [kind for kind, _, _ in found] == ["error"] * MOST + ["warning"] * MOST + ["notice"] * MOST
    assert "GitHub shows 10 of a kind: 30 more errors, 30 more warnings, 30 more notes in the group above" in log(
        made.crowd(40), 1
    )
    assert not any("GitHub shows" in line for line in log(made.crowd(MOST)))
    inside = "\n".join(log(made.crowd(40)))
    assert all(f"finding {n} of many" in inside for n in range(120))


def test_everything_else_is_in_one_group_and_the_verdict_is_the_last_line() -> None:
    lines = log(made.gated())
    assert lines[0] == "::group::dtypecheck models/sd xl"
    end = lines.index("::endgroup::")
    assert not any(line.startswith("::") for line in lines[1:end])
    assert any("unet UNet2DConditionModel: stored variant fp16, loads as fp16" in line for line in lines[:end])
    assert sum("muted DT" in line for line in lines[:end]) == 3
    assert lines[-1] == "dtypecheck: do not deploy: vae/config.json:3: the config declares float16"


def test_what_is_muted_is_not_annotated() -> None:
    report = made.mixed()
    assert annotations(replace(report, findings=tuple(finding.mute("so") for finding in report.findings)), 1) == []


@pytest.mark.parametrize("text", made.NASTY)
def test_no_line_of_a_stranger_is_a_command(text: str) -> None:
    report = made.by_stranger(text)
    for verbosity in (-1, 0, 1):
        read = commands(log(report, verbosity))
        kinds = [name for name, _, _ in read]
        assert kinds == ["group", "endgroup", *(["error"] + ["notice"] * (verbosity == 1))]
        error = read[2]
        assert set(error[1]) == {"file", "line", "title"}
        assert error[1]["line"] == "3"


@given(st.text(st.characters(), max_size=20))
def test_any_text_comes_back_as_it_was_shown(text: str) -> None:
    finding = Finding("DT102", "x", "error", Where(f"x{text}", line=2), f"m{text}")
    ((_, given_, data),) = annotations(Report((finding,)))
    shown = text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    assert given_["file"] == f"x{shown}"
    assert data == f"m{shown}"


def test_the_summary_of_a_step_is_the_markdown_of_the_report_and_may_be_longer_than_a_comment() -> None:
    assert summary(made.gated()).startswith("### dtypecheck: do not deploy\n")
    assert 65_536 < len(summary(made.crowd(300)).encode()) < 1_048_576
