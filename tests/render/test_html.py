"""The HTML report: a stranger's text stays text, nothing is loaded, and what a notebook shows of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.dtypes import ALL
from dtypecheck.render import renderer
from dtypecheck.render.html import compact, page
from dtypecheck.render.options import Look
from dtypecheck.subjects.shown import ModuleRow

from . import made
from .html_reports import REPORTS, every_report, run_of, seen
from .reading import Element, read

# what must not happen


@every_report
def test_every_element_is_closed_in_its_turn_and_no_id_is_given_twice(name: str) -> None:
    ids = Counter(element.attributes["id"] for element in seen(name).all() if "id" in element.attributes)
    assert [key for key, count in ids.items() if count > 1] == []


@every_report
def test_nothing_is_loaded_from_anywhere(name: str) -> None:
    whole = seen(name)
    for element in whole.all():
        assert not {"src", "srcset", "action", "data", "poster", "background", "ping"} & element.attributes.keys()
        assert element.attributes.get("href", "#").startswith(("#", "data:,"))
        assert element.name not in ("iframe", "object", "embed", "img", "form", "base", "image", "use")
    assert not re.search(r"url\(|@import|https?:", whole.one("style").text + whole.one("script").text)


@every_report
def test_the_policy_lets_our_script_run_and_nothing_else(name: str) -> None:
    whole = seen(name)
    (policy,) = [m.attributes["content"] for m in whole.all("meta") if m.attributes.get("http-equiv")]
    script = whole.one("script").text
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{allowed}';" in policy


def test_a_stranger_s_text_stays_text() -> None:
    for whole in (seen("hostile"), read(compact(made.hostile()))):
        assert "alert(" not in "".join(script.text for script in whole.all("script"))
        assert all(not key.startswith("on") for element in whole.all() for key in element.attributes)
        assert "<script>alert(1)</script>" in whole.text
    text = page(made.hostile())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("<script") == 1


def test_every_hostile_field_was_really_shown() -> None:
    # in 2 verdict lines, heading, block, card, operands, plans, module table, producers, pictures, healed, ..., footer
    assert seen("hostile").one("body").text.count("<script>alert(1)</script>") > 40


@every_report
def test_two_pages_of_the_same_report_are_the_same_and_bear_no_date(name: str) -> None:
    assert page(REPORTS[name]()) == page(REPORTS[name]())
    assert not re.search(r"\b20[23]\d-\d\d|\d\d:\d\d:\d\d", seen(name).one("body").text)


def test_the_page_does_not_depend_on_the_order_of_hashes() -> None:
    code = (
        "from tests.render import made; from dtypecheck.render.html import page; print(page(made.black()), page(made.healthy()))"
    )
    root = Path(__file__).resolve().parents[2]
    pages = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            timeout=300,
        )
        for seed in ("1", "2")
    ]
    assert pages[0].stdout == pages[1].stdout != b""


def test_no_heavy_library_and_no_rich_is_needed() -> None:
    code = "import sys; import dtypecheck.render.html; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert not {"torch", "numpy", "rich", "IPython", "diffusers"} & set(done.stdout.split())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            ModuleRow,
            st.text(max_size=12),
            st.integers(0, 10**9),
            st.sampled_from((None, *ALL)),
            st.sampled_from((None, *ALL)),
            st.none() | st.floats(0, 1e308),
            st.text(max_size=5),
            st.sampled_from((None, *ALL)),
        ),
        max_size=30,
        unique_by=lambda row: row.module,
    )
)
def test_any_modules_make_a_page(rows: list[ModuleRow]) -> None:
    report = run_of(*rows, producers=(replace(made.PRODUCER, module=rows[0].module),) if rows else ())
    whole = read(page(report))
    assert len([row for row in whole.all("tr") if row.attributes.get("id")]) == len(rows)
    read(compact(report))


# what a notebook shows


def test_a_notebook_gets_verdict_map_findings_and_chart_but_no_script_and_no_table_of_modules() -> None:
    whole = read(compact(made.black()))
    assert whole.all("script") == []
    assert whole.all("section", "modules") == []
    assert len(whole.all("li", "block")) == 4
    assert len(whole.all("article")) == 3
    assert len(whole.all("svg")) == 1
    assert [top.name for top in whole.inside if isinstance(top, Element)] == ["div"]


def test_two_reports_in_one_notebook_do_not_share_anchors() -> None:
    ids = [
        {element.attributes["id"] for element in read(compact(report)).all() if "id" in element.attributes}
        for report in (made.black(), made.crashed())
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_many_findings_are_folded_in_a_notebook_and_none_is_lost() -> None:
    one = made.FINDINGS[0]
    report = replace(made.black(), findings=tuple(replace(one, message=f"{n:03} {one.message}") for n in range(40)))
    whole = read(compact(report))
    assert len(whole.all("article")) == 40
    assert [details.one("summary").text for details in whole.all("details")] == ["28 more"]
    assert read(page(report)).one("section", "modules").name
    assert not [details for details in read(page(report)).all("details") if details.all("article")]


# through the front door


def test_the_format_is_one_of_those_that_the_command_line_knows(tmp_path: Path) -> None:
    out = StringIO()
    renderer("html")(made.black(), out, Look())
    assert out.getvalue() == page(made.black()) + "\n"
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    command = [sys.executable, "-m", "dtypecheck", "scan", "model", "--output-format", "html", "-o", "report.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    whole = read((tmp_path / "report.html").read_text("utf-8"))
    assert whole.one("h1").text.startswith("1 error")
    assert "DT005" in whole.one("article").text


def test_the_script_wakes_the_slider_and_the_table_in_a_real_browser(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("there is no Chromium here")
    place = tmp_path / "report.html"
    place.write_text(page(made.black()), "utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    command = [browser, *flags, f"--user-data-dir={tmp_path / 'user'}", "--dump-dom", f"{place.as_uri()}#f3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    whole = read(done.stdout.replace("<!DOCTYPE html>", "").strip())
    assert "hidden" not in whole.one("div", "probe").attributes
    assert whole.one("div", "probe").one("output").text.startswith(made.BROKEN)
    assert [button.text for button in whole.all("table")[-2].all("button")] == [
        "nr",
        "module",
        "dtype",
        "largest",
        "bits left",
        "calls",
    ]
    (notes,) = [details for details in whole.all("details") if details.one("summary").text == "1 note"]
    assert "open" in notes.attributes
