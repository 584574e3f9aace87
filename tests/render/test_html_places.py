"""What stands where on the HTML report."""

from __future__ import annotations

from dataclasses import replace

from dtypecheck.dtypes import F16
from dtypecheck.render.html import compact, page
from dtypecheck.render.words_runs import verdicts
from dtypecheck.subjects.shown import ModuleRow

from . import made
from .html_reports import REPORTS, every_report, run_of, seen
from .reading import read


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
