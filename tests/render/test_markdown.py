"""Markdown for a pull request, read by GitHub's own parser: the verdict first, all within a comment, strangers only text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.api import scan
from dtypecheck.render import renderer
from dtypecheck.render.markdown import COMMENT, page
from dtypecheck.render.marked import code, plain
from dtypecheck.render.options import Look
from dtypecheck.report import Report

from . import made

OURS = {
    "h3", "p", "strong", "em", "code", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "details", "summary",
}  # fmt: skip


class Read(HTMLParser):
    """What a browser makes of it: the elements, the words outside of code, and all words."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.prose: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.inside: list[str] = []
        self.feed(github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.inside.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if "code" not in self.inside:
            self.prose.append(data)
        if "td" in self.inside or "th" in self.inside:
            self.rows[-1][-1] += data


def text(report: Report) -> str:
    out = StringIO()
    renderer("markdown")(report, out, Look())
    return out.getvalue()


def is_harmless(markdown: str) -> Read:
    """errors: AssertionError where anything but our own elements is there, or GitHub would make a link of words."""
    read = Read(markdown)
    assert read.names <= OURS
    assert not read.attributes
    prose = "".join(read.prose)
    assert not re.search(r"@\w|#\d|\bgh-\d", prose, re.IGNORECASE)
    return read


@pytest.mark.parametrize("name", made.REPORTS)
def test_every_report_has_only_our_elements_and_fits_a_comment(name: str) -> None:
    written = text(made.REPORTS[name]())
    is_harmless(written)
    assert len(written.encode()) <= COMMENT


def test_a_gate_s_verdict_stands_first_with_its_reason_and_what_was_not_checked() -> None:
    lines = [line for line in text(made.gated()).splitlines() if line]
    assert lines[:2] == [
        "### dtypecheck: do not deploy",
        "**because** vae/config.json:3: the config declares float16",
    ]
    assert lines[3:5] == ["**not checked**", "- no rehearsal: torch is not installed"]


def test_without_a_gate_the_first_line_says_what_was_found() -> None:
    first = text(made.mixed()).splitlines()[0]
    assert first == "### dtypecheck: 1 error, 2 warnings, 1 note (3 muted)"


def test_the_table_has_a_row_a_finding_the_worst_first_and_what_to_do() -> None:
    rows = Read(text(made.mixed())).rows
    assert rows[0] == ["", "where", "what", "to do"]
    assert rows[1] == ["error DT102", "models/sd xl/vae/config.json:3", "the config declares float16", "declare bfloat16"]
    assert rows[2][1:] == ["ci/serve.py:14", "torch_dtyp is no keyword of from_pretrained", "write torch_dtype"]
    assert [row[0] for row in rows[1:5]] == ["error DT102", "warning DT201", "warning DT202", "note DT102"]
    assert rows[5] == ["component", "class", "stored", "loads as", "bytes"]
    assert ["text_encoder", "CLIPTextModel", "variant fp16", "fp16", "246 MB"] in rows[6:]


def test_what_is_muted_is_counted_and_folded_with_its_reason() -> None:
    written = text(made.mixed())
    assert "<summary>3 muted</summary>" in written
    assert "disk is cheap (settings)" in written
    assert "the old one (source)" in written
    assert written.index("disk is cheap") > written.index("<details>")


@pytest.mark.parametrize("text_", made.NASTY)
def test_a_stranger_s_text_is_shown_as_it_is_and_is_nothing_else(text_: str) -> None:
    read = is_harmless(text(made.by_stranger(text_)))
    shown = (
        text_ if text_.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text_)
    )
    said = "".join(read.words).replace("\u200b", "")
    assert " ".join(shown.split()) in " ".join(said.split())


@given(st.text(st.characters(), max_size=30))
def test_any_text_is_only_text(words: str) -> None:
    is_harmless(text(made.by_stranger(words)))


@given(st.text(st.sampled_from("ab1 @#!<>&*_`~|[]()\\$:/.-+=wWhtpGH\"'"), max_size=24))
def test_any_signs_come_out_as_they_went_in(words: str) -> None:
    for spelled in (f"x {plain(words)}", f"x {code(words)}"):
        read = is_harmless(f"{spelled}\n")
        assert "".join(read.words).replace("\u200b", "").split() == f"x {words}".split()
    cell = Read(f"|a|b|\n|-|-|\n|{plain(words)}|{code(words)}|\n")
    assert [part.replace("\u200b", "").split() for part in cell.rows[1]] == [words.split()] * 2


@pytest.mark.parametrize("most", [2_000, 9_000, 30_000, COMMENT])
def test_what_is_too_long_is_cut_with_a_line_that_says_so_and_nothing_stays_open(most: int) -> None:
    long = made.crowd(700)
    written = page(replace(long, gate=made.gated().gate), most)
    assert len(written.encode()) <= most
    is_harmless(written)
    assert written.startswith("### dtypecheck: do not deploy\n")
    assert "longer than allowed" in written
    assert "finding 0 of many" in written


def test_details_are_cut_before_the_table_is() -> None:
    written = page(made.crowd(200))
    assert len(written.encode()) <= COMMENT
    assert len(Read(written).rows) == 1 + 600
    left = re.search(r"_and (\d+) more, left out", written)
    assert left
    assert 600 - int(left[1]) == written.count("dtypecheck explain")


def test_one_endless_name_does_not_take_the_room_of_all() -> None:
    written = text(made.by_stranger("a" * 100_000))
    assert len(written.encode()) <= COMMENT
    assert len(Read(written).rows) >= 3


def test_a_scan_of_a_sound_model_says_so_in_its_first_line(cases: Path) -> None:
    assert text(scan(cases / "sdxl-fp16-fix", dtype="float16")).startswith("### dtypecheck: ")
    assert "1 error" in text(scan(cases / "sdxl", dtype="float16,vae=float32")).splitlines()[0]


def test_the_same_report_gives_the_same_bytes() -> None:
    assert text(made.mixed()) == text(replace(made.mixed(), findings=made.mixed().findings[::-1]))
