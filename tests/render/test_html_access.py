"""Everybody can read the HTML report: headings, links, words, colours, and without the script."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from dtypecheck.render.html import compact
from dtypecheck.render.html_colours import COLOURS

from .html_reports import REPORTS, every_report, seen
from .reading import read


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
