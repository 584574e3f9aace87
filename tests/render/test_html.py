"""The HTML report: what stands where, that a stranger's text stays text, that nothing is loaded, that all can read it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from io import StringIO
from itertools import pairwise
from math import log2
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtypecheck.dtypes import ALL, BF16, F8_E4M3, F16, F32
from dtypecheck.render import renderer
from dtypecheck.render.html import compact, page
from dtypecheck.render.html_colours import COLOURS
from dtypecheck.render.options import Look
from dtypecheck.render.words_runs import verdicts
from dtypecheck.report import Report
from dtypecheck.subjects.shown import ModuleRow, Run

from . import made
from .reading import Element, read

REPORTS: dict[str, Callable[[], Report]] = {
    "black": made.black,
    "large": lambda: made.black(2000),
    "healthy": made.healthy,
    "crashed": made.crashed,
    "hostile": made.hostile,
    "mixed": made.mixed,
    "gated": made.gated,
    "several": lambda: made.black().below("a") + made.healthy() + made.crashed().below("b"),
    "empty": Report,
}
every_report = pytest.mark.parametrize("name", REPORTS)


def run_of(*rows: ModuleRow, **more: object) -> Report:
    return Report(runs=(Run("watched", "runs", "cpu", modules=rows, script="x.py", **more),))  # type: ignore[arg-type]


@cache
def seen(name: str) -> Element:
    return read(page(REPORTS[name]()))


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


# what stands where


@every_report
def test_the_first_line_is_the_verdict(name: str) -> None:
    whole = seen(name)
    said = verdicts(REPORTS[name]())[-1 if name == "gated" else 0]
    first = whole.one("h1").text
    assert said.startswith(first)
    assert whole.one("head").one("title").text == f"dtypecheck: {first}"


def test_a_gate_s_verdict_is_the_headline_in_its_colour_and_what_was_not_checked_stands_below_it() -> None:
    top = seen("gated").one("header")
    assert top.one("h1").text == "do not deploy: vae/config.json:3: the config declares float16"
    assert top.all("p", "verdict")[0].text == "1 error, 2 warnings, 1 note (3 muted)"
    assert top.one("ul").all("li")[0].text == "no rehearsal: torch is not installed"
    colours = {verdict: read(page(made.gated(verdict))).one("header").classes[1] for verdict in ("deploy", "not proven")}
    assert colours == {"deploy": "ok", "not proven": "warning"}
    assert top.classes == ["top", "error"]
    assert "do not deploy" in read(compact(made.gated())).one("p", "top").text


def test_a_plain_scan_has_its_blocks_in_their_colours_and_each_finding_at_its_block() -> None:
    whole = seen("mixed")
    blocks = {block.one("b").text: block for block in whole.all("li", "block")}
    assert {name: block.classes[1] for name, block in blocks.items()} == dict.fromkeys(
        ("vae", "text_encoder", "text_encoder_2", "unet"), "fp16"
    )
    assert [link.attributes["href"] for link in blocks["vae"].all("a")] == ["#f1"]
    assert [link.attributes["href"] for link in blocks["unet"].all("a")] == ["#f4"]
    assert [card.attributes["id"] for card in whole.all("article")] == ["f1", "f2", "f3", "f4"]
    assert whole.one("html").attributes["lang"] == "en"
    assert whole.all("a", "skip")[0].attributes["href"] == "#findings"


def test_the_verdict_names_nothing_that_only_the_terminal_hides() -> None:
    (said,) = verdicts(made.black())
    assert said.endswith("; -v shows 1 note")
    assert seen("black").one("h1").text == said.removesuffix("; -v shows 1 note")


def test_components_stand_in_the_order_in_which_they_were_called_each_in_the_colour_of_its_dtype() -> None:
    blocks = seen("black").all("li", "block")
    assert [block.one("b").text for block in blocks] == ["text_encoder", "text_encoder_2", "unet", "vae"]
    assert [block.classes[1] for block in blocks] == ["fp16", "mixed", "fp16", "fp16"]
    assert "fp16 + fp32" in blocks[1].text
    assert "5.1 GB · called 50 times" in blocks[2].text
    assert [li.text for li in seen("black").all("ul", "legend")[0].all("li")] == ["fp16", "mixed"]
    assert [block.classes[1] for block in seen("crashed").all("li", "block")] == ["fp32", "fp16", "fp16", "fp16"]


def test_the_larger_a_component_the_wider_its_block() -> None:
    grows = [int(block.attributes["style"].split()[1]) for block in seen("black").all("li", "block")]
    assert grows[2] > grows[1] > grows[0]


def test_a_finding_stands_at_its_block_at_its_module_and_above_the_chart_and_all_lead_to_its_card() -> None:
    whole = seen("black")
    cards = {card.attributes["id"]: card for card in whole.all("article")}
    assert list(cards) == ["f1", "f2", "f3"]
    vae = whole.all("li", "block")[3]
    assert [link.attributes["href"] for link in vae.all("a")] == ["#f1"]
    (row,) = [row for row in whole.one("section", "modules").all("tr") if row.all("th")[0].text.startswith(made.BROKEN)]
    assert [link.attributes["href"] for link in row.all("a", "flag")] == ["#f1"]
    flags = whole.one("div", "flags").all("a")
    assert [flag.attributes["href"] for flag in flags] == ["#f2", "#f3", "#f1"]
    assert [flag.attributes["aria-label"] for flag in flags][-1] == "finding 1: error, numbers-not-finite"
    links = [link.attributes["href"] for link in cards["f1"].all("a")]
    assert links == [f"#{vae.attributes['id']}", f"#{row.attributes['id']}"]


def test_a_card_says_all_that_the_finding_says() -> None:
    card, told = seen("black").all("article")[0], made.FINDINGS[0]
    assert told.message in card.text
    names = [name.text for name in card.all("dt")]
    assert names == ["where", "against", "because", "says", "fix", "or", "or"]
    assert told.fix
    assert [value.text for value in card.all("dd")] == [
        f"vae/config.json {made.BROKEN}",
        str(told.against),
        told.because,
        told.says,
        told.fix.title,
        *told.alternatives,
    ]


def test_a_fix_that_loses_numbers_says_so() -> None:
    told = made.FINDINGS[0]
    assert told.fix
    report = replace(made.black(), findings=(replace(told, fix=replace(told.fix, lossless=False)),))
    assert f"{told.fix.title} (lossy)" in read(page(report)).all("article")[0].text


def test_notes_and_what_is_muted_are_folded_with_the_reason() -> None:
    folded = [details for details in seen("black").all("details") if details.all("article") or details.all("p", "muted")]
    assert [details.one("summary").text for details in folded] == ["1 note", "1 muted"]
    assert "muted: we tried it" in folded[1].text


def test_a_finding_among_several_runs_stands_only_at_its_own() -> None:
    whole = seen("several")
    marked = {
        block.attributes["id"]: [a.attributes["href"] for a in block.all("a")]
        for block in whole.all("li", "block")
        if block.all("a")
    }
    cards = {card.attributes["id"]: card.text for card in whole.all("article")}
    for anchor, links in marked.items():
        assert anchor.startswith(("p1-", "p3-"))
        for link in links:
            assert ("vae.post_quant_conv" in cards[link[1:]]) == anchor.startswith("p3-")


def test_every_field_of_a_run_is_on_the_page() -> None:
    body = seen("black").one("body").text
    for words in (
        "first in step 1, in 2 steps",
        "finite, largest 61,440",
        "41 modules to vae.decoder.conv_out",
        "image_processor made it finite again",
        "not finite: bias",
        "the output of vae",
        "it needs 3.25 times the range of fp16",
        "the kernel was excluded",
        "black: NaN before it became a picture",
        "grey 128: of one colour",
        "out.png",
        "12 casts, 3 MB",
        "load the vae in fp16",
        "1.2 %",
        "unet.up_blocks.0.resnets.0.norm1 (40 %)",
        "text_encoder was compiled before the watch",
        "tokenizer: its files are not there",
        "fp16 + fp32 → fp32",
        "By design of the libraries: 50 casts in 1 module.",
        "50 steps at 1024x1024",
        "rank 0, rank 1",
        "diffusers 0.42.1 (installed)",
        "cuda",
    ):
        assert words in body, words


def test_a_crash_shows_what_met_and_what_would_run() -> None:
    tables = {table.one("caption").text: table for table in seen("crashed").all("table")}
    met = tables["Input type (c10::Half) and bias type (float) should be the same"]
    first = met.one("tbody").all("tr")[0]
    assert [cell.text for cell in (*first.all("th"), *first.all("td"))] == ["input", "fp16", "unet (latents)", "–"]
    assert "recommended" in tables["Dtype plans that were rehearsed"].text


def test_the_table_begins_with_what_broke_and_goes_on_by_headroom_and_folds_the_rest() -> None:
    whole = seen("large")
    section = whole.one("section", "modules")
    first, rest = section.all("table")
    rows = first.one("tbody").all("tr")
    assert len(rows) == 200
    assert rest in section.one("details").all("table")
    assert len(rows) + len(rest.one("tbody").all("tr")) == len(made.rows(2000))
    assert rows[0].one("th").text.startswith(made.BROKEN)
    assert "not finite" in rows[0].text
    room = [float(cell.attributes["data-v"]) for row in rows[1:] for cell in row.all("td")[3:4]]
    assert room == sorted(room)


def test_a_module_without_a_number_has_a_row_but_no_point() -> None:
    whole = read(page(run_of(ModuleRow("a.b", 1, F16, F16, 8.0), ModuleRow("a.c", 1))))
    assert len(whole.one("section", "modules").one("tbody").all("tr")) == 2
    assert [dot.attributes["data-i"] for dot in whole.all("path") if "data-i" in dot.attributes] == ["1"]


# the chart


def heights(whole: Element) -> dict[str, float]:
    """How high each point lies, by the number of its module, in thousandths from the top."""
    dots = [dot for dot in whole.one("svg").all("path") if "data-i" in dot.attributes]
    return {dot.attributes["data-i"]: float(re.findall(r"[\d.]+", dot.attributes["d"])[1]) for dot in dots}


def lines(whole: Element) -> dict[str, float]:
    """How high the limit of each family lies."""
    return {
        line.classes[1]: float(re.findall(r"[\d.]+", line.attributes["d"])[1]) for line in whole.one("svg").all("path", "limit")
    }


def test_the_limit_of_fp16_is_a_line_and_what_is_at_the_limit_lies_on_it() -> None:
    whole = read(page(run_of(*(ModuleRow(f"a.{n}", 1, F16, F16, value) for n, value in enumerate((65504.0, 32752.0, 16376.0))))))
    found = heights(whole)
    assert lines(whole)["fp16"] == pytest.approx(found["1"], abs=0.2)
    assert found["3"] - found["2"] == pytest.approx(found["2"] - found["1"], abs=0.2)
    assert found["2"] > found["1"]


def test_modules_lie_from_left_to_right_as_they_were_called() -> None:
    dots = [dot for dot in seen("black").one("svg").all("path") if "data-i" in dot.attributes]
    places = sorted((int(dot.attributes["data-i"]), float(dot.attributes["d"][1:].split()[0])) for dot in dots)
    assert len(places) == len(made.rows(240))
    assert all(left[1] < right[1] for left, right in pairwise(places))


def test_bf16_far_from_its_limit_is_compared_with_fp16_and_near_it_has_a_line_of_its_own() -> None:
    far = read(page(run_of(ModuleRow("a.b", 1, BF16, BF16, 213_000.0))))
    assert lines(far).keys() == {"fp16"}
    assert heights(far)["1"] < lines(far)["fp16"]
    assert "bf16 at 3.4e+38 ends far above the chart" in far.one("figcaption").text
    near = read(page(run_of(ModuleRow("a.b", 1, BF16, BF16, 3.3e38))))
    assert lines(near).keys() == {"bf16"}
    assert 0 < heights(near)["1"] - lines(near)["bf16"] < 10


def test_each_dtype_has_its_own_limit() -> None:
    whole = read(page(run_of(ModuleRow("a.b", 1, F8_E4M3, F8_E4M3, 448.0), ModuleRow("a.c", 1, F16, F16, 448.0))))
    assert lines(whole).keys() == {"packed", "fp16"}
    assert heights(whole)["1"] == pytest.approx(lines(whole)["packed"], abs=0.2)
    assert log2(65504 / 448) > 7


def test_what_broke_the_numbers_has_a_ring_at_its_limit() -> None:
    whole = seen("black")
    (ring,) = whole.one("svg").all("path", "ring")
    x, y = map(float, re.findall(r"[\d.]+", ring.attributes["d"])[:2])
    order = 1 + [row.module for row in made.rows(240)].index(made.BROKEN)
    assert x == pytest.approx(1000 * (order - 0.5) / len(made.rows(240)), abs=0.1)
    assert y == pytest.approx(lines(whole)["fp16"], abs=0.1)


def test_a_run_without_numbers_has_a_table_and_no_chart() -> None:
    whole = read(page(run_of(ModuleRow("a.b", 3, F16, F32))))
    assert whole.all("svg") == []
    assert "fp16 → fp32" in whole.one("section", "modules").text


def test_all_zeros_lie_on_the_floor() -> None:
    found = heights(read(page(run_of(ModuleRow("a.b", 1, F16, F16, 8.0), ModuleRow("a.c", 1, F16, F16, 0.0)))))
    assert found["2"] == pytest.approx(1000)


def test_two_thousand_modules_make_a_page_of_about_a_megabyte() -> None:
    assert len(page(made.black(2000))) < 1_300_000


# everybody can read it


@every_report
def test_headings_go_down_one_step_at_a_time_from_the_only_first(name: str) -> None:
    levels = [int(element.name[1]) for element in seen(name).all() if re.fullmatch(r"h[1-6]", element.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


@every_report
def test_every_link_label_and_reference_leads_somewhere(name: str) -> None:
    for whole in (seen(name), read(compact(REPORTS[name]()))):
        ids = {element.attributes["id"] for element in whole.all() if "id" in element.attributes}
        for element in whole.all():
            wanted = [element.attributes.get("for"), *element.attributes.get("aria-labelledby", "").split()]
            href = element.attributes.get("href", "")
            wanted += [href[1:]] if href.startswith("#") else []
            assert {target for target in wanted if target} <= ids


@every_report
def test_language_viewport_and_landmarks_are_named(name: str) -> None:
    whole = seen(name)
    assert whole.one("html").attributes["lang"] == "en"
    assert any(m.attributes.get("content") == "width=device-width, initial-scale=1" for m in whole.all("meta"))
    assert [element.name for element in whole.one("body").all() if element.name in ("header", "main", "footer")] == [
        "header",
        "main",
        "footer",
    ]


def test_drawings_have_words_tables_have_heads_and_fields_have_labels() -> None:
    whole = seen("black")
    for drawing in [*whole.all("svg"), *whole.all("div", "bar")]:
        assert drawing.attributes["role"] == "img"
        assert drawing.attributes["aria-label"]
    for table in whole.all("table"):
        assert table.one("caption").text
        assert all(head.attributes["scope"] == "col" for head in table.one("thead").all("th"))
        assert all(row.all("th")[0].attributes["scope"] == "row" for row in table.one("tbody").all("tr"))
    labelled = {label.attributes["for"] for label in whole.all("label")}
    assert {field.attributes["id"] for field in whole.all("input")} <= labelled


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_read_on_every_ground_by_day_and_by_night(dark: bool) -> None:
    day = {name: pair[dark] for name, pair in COLOURS.items()}
    grounds = [day["paper"], day["sheet"]]
    for name, colour in day.items():
        if name in ("paper", "sheet", "line"):
            continue
        others = [day[key] for key in day if key not in ("paper", "sheet", "line", "ink", "faint", "link", "on")]
        for ground in others if name == "on" else grounds:
            assert contrast(colour, ground) >= 4.5, (name, ground)


def test_without_the_script_nothing_that_needs_it_is_shown() -> None:
    whole = seen("black")
    assert "hidden" in whole.one("div", "probe").attributes
    assert "hidden" in whole.one("p", "filter").attributes
    assert whole.all("button") == []


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
