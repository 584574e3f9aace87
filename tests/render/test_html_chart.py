"""The chart of the HTML report: limits are lines, what broke has a ring, and all lies where it should."""

from __future__ import annotations

import re
from itertools import pairwise
from math import log2

import pytest

from dtypecheck.dtypes import BF16, F8_E4M3, F16, F32
from dtypecheck.render.html import page
from dtypecheck.subjects.shown import ModuleRow

from . import made
from .html_reports import run_of, seen
from .reading import Element, read


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
