"""The page of a fleet: its sums are those of the rows in it, a stranger's words stay words, and it is written as rows come."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tracemalloc
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import pytest

from dtypecheck.checks.words import size
from dtypecheck.fleet.tally import Tally
from dtypecheck.render.html_fleet import Page, embedded, short_of

from .fleets import finding, lost, many, page_of, row, small
from .reading import Element, read

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \x1b[31m\u2028\u202e\"'& "


def cells(table: Element) -> dict[str, list[str]]:
    """The rows of a table by what heads them."""
    return {tr.one("th").text: [td.text for td in tr.all("td")] for tr in table.one("tbody").all("tr") if tr.all("th")}


def data(page: Element) -> list[list[object]]:
    """The rows that stand in the page."""
    (script,) = [script for script in page.all("script") if script.attributes.get("type") == "application/json"]
    found: list[list[object]] = json.loads(script.text)
    return found


def number(text: str) -> int:
    return int(text.replace(",", "") or 0)


def test_the_sums_are_those_of_the_rows_in_the_page(cases: Path) -> None:
    page = read(page_of(many(cases, 440)))
    rows = data(page)
    assert len(rows) == 440
    verdicts: Counter[object] = Counter(row[1] for row in rows)
    blocks = {block.attributes["data-value"]: number(block.one("span", "count").text) for block in page.all("li", "block")}
    assert blocks == verdicts
    assert len(verdicts) == 5
    by_rule, by_class, by_dtype = page.all("table", "sums")
    rules: dict[str, Counter[str]] = {}
    classes: dict[str, Counter[str]] = {}
    dtypes: dict[str, Counter[str]] = {}
    for _, verdict, _, _, _, of_class, of_dtype, of_rule, _, _ in rows:
        for rule in of_rule:
            rules.setdefault(rule[1:], Counter())[rule[0]] += 1
        for klass in of_class:
            classes.setdefault(klass, Counter())[verdict] += 1
        for dtype in of_dtype:
            dtypes.setdefault(dtype, Counter())[verdict] += 1
    shown = {name.split()[0]: tuple(number(text) for text in told[:3]) for name, told in cells(by_rule).items()}
    assert shown == {code: (by["e"], by["w"], by["n"]) for code, by in rules.items()}
    for table, found in ((by_class, classes), (by_dtype, dtypes)):
        shown = {name: tuple(number(text) for text in told[:3]) for name, told in cells(table).items()}
        assert shown == {name: (by["error"], by["warning"], sum(by.values())) for name, by in found.items()}
        assert found


def test_a_row_says_what_its_model_is() -> None:
    told = short_of(row("org/broken", finding("error"), finding("warning", "DT111", "default-load-mixes")))
    assert told[:6] == ("org/broken", "error", 1, 1, 0, ["StableDiffusionXLPipeline"])
    assert told[6:] == (
        {"fp16": 3_468_837_867},
        ["eDT105", "wDT111"],
        7 * 10**9,
        "DT105 unet/config.json: load-fails, said by a test",
    )
    assert short_of(lost("org/x", "killed thrice"))[1:] == ("failed", 0, 0, 0, [], {}, [], 0, "killed thrice")


def test_without_a_script_the_sums_and_the_worst_models_are_there() -> None:
    rows = (
        [row(f"m{n:03}", finding("error")) for n in range(150)] + [row(f"ok{n}") for n in range(900)] + [lost("gone"), *small()]
    )
    page = read(page_of(rows))
    named = list(cells(page.one("table", "targets")))
    assert named[:2] == ["models/a/long/way/down/worse", "org/broken"]
    assert named[2:152] == [f"m{n:03}" for n in range(150)]
    assert named[152:156] == ["org/warned", "gone", "org/secret", "org/noted"]
    assert len(named) == 200
    assert page.one("table", "targets").one("caption").text == "the worst 200 of 1,057, the worst first"
    assert "hidden" in page.one("div", "filters").attributes
    assert page.all("button") == []
    assert "load-fails, said by a test" in page.one("table", "targets").text


def test_every_element_is_closed_no_id_comes_twice_and_every_reference_leads_somewhere() -> None:
    for rows in ([], small(), [row(HOSTILE, finding("error", path=HOSTILE), klass=HOSTILE)]):
        page = read(page_of(rows))
        ids = Counter(element.attributes["id"] for element in page.all() if "id" in element.attributes)
        assert set(ids.values()) == {1}
        for element in page.all():
            wanted = [*element.attributes.get("for", "").split(), *element.attributes.get("aria-labelledby", "").split()]
            assert set(wanted) <= set(ids)
        labelled = {label.attributes["for"] for label in page.all("label")}
        assert {field.attributes["id"] for field in [*page.all("input"), *page.all("select")]} <= labelled
        for table in page.all("table"):
            assert table.one("caption").text
            assert all(head.attributes["scope"] == "col" for head in table.one("thead").all("th"))
        levels = [int(element.name[1]) for element in page.all() if re.fullmatch(r"h[1-6]", element.name)]
        assert levels[0] == 1
        assert set(levels[1:]) == {2}


def test_nothing_is_loaded_from_anywhere_and_only_our_script_may_run() -> None:
    page = read(page_of(small()))
    for element in page.all():
        assert not {"src", "srcset", "action", "data", "poster", "background", "ping"} & element.attributes.keys()
        assert element.attributes.get("href", "#").startswith(("#", "data:,"))
        assert element.name not in ("iframe", "object", "embed", "img", "form", "base", "image", "use")
    rows, script = page.all("script")
    assert rows.attributes == {"type": "application/json", "id": "rows"}
    assert not re.search(r"url\(|@import|https?:|innerHTML|eval|fetch", page.one("style").text + script.text)
    (policy,) = [m.attributes["content"] for m in page.all("meta") if m.attributes.get("http-equiv")]
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{b64encode(sha256(script.text.encode()).digest()).decode()}';" in policy


def test_a_stranger_s_words_stay_words() -> None:
    text = page_of([row(HOSTILE, finding("error", path=HOSTILE), klass=HOSTILE), lost(HOSTILE * 90, f"killed {HOSTILE}")])
    assert text.count("<script") == text.count("</script") == 2
    assert "<!--" not in text
    assert "<img" not in text
    assert set(text) & set("\x1b\u2028\u202e") == set()
    page = read(text)
    assert all(not key.startswith("on") for element in page.all() for key in element.attributes)
    (first, second) = data(page)
    assert (
        first[0] == str(first[5][0]) == HOSTILE.replace("\x1b", "\\x1b").replace("\u2028", "\\u2028").replace("\u202e", "\\u202e")
    )  # type: ignore[index]
    assert len(str(second[0])) == 1_000
    assert str(second[0]).endswith("...")
    assert len(page.all("table", "sums")) == 3


def test_what_would_end_the_data_cannot_stand_in_it() -> None:
    told = short_of(row("a"))._replace(target="</script><!--\u2028\u2029]]>", first="\udcff")
    text = embedded(told)
    assert text.isascii()
    assert not set("<>") & set(text)
    assert json.loads(text) == json.loads(json.dumps(told))


def test_the_same_rows_give_the_same_page_and_it_bears_no_date() -> None:
    assert page_of(small()) == page_of(small())
    assert not re.search(r"\b20[23]\d-\d\d|\d\d:\d\d:\d\d", read(page_of(small())).one("body").text)


def test_the_page_says_how_large_it_is() -> None:
    text = page_of({**row("", finding("error")), "target": f"org/model-{n}"} for n in range(40))
    assert f"40 models in this file of {size(len(text.encode()))}, which" in text


def test_it_is_written_as_the_rows_come_and_little_of_them_is_kept(tmp_path: Path) -> None:
    given = [row("x", finding("error"), finding("warning", "DT111")), row("y"), lost("z")]
    place = tmp_path / "fleet.html"
    tally = Tally()
    with place.open("w", encoding="utf-8") as stream:
        page = Page(stream)
        tracemalloc.start()
        try:
            for n in range(20_000):
                made = {**given[n % 3], "target": f"org{n % 50}/a-model-with-a-name-{n}"}
                tally.take(made)
                page.take(made)
                if n == 10_000:
                    assert place.stat().st_size > 1_000_000
            page.finish(tally)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 10_000_000
    assert len(data(read(place.read_text("utf-8")))) == 20_000


def test_very_many_classes_make_no_very_long_table() -> None:
    page = read(page_of(row(f"m{n}", klass=f"C{n:04}Pipeline") for n in range(600)))
    by_class = page.one("section", "by-class")
    assert len(by_class.one("tbody").all("tr")) == 500
    assert "and 100 more" in by_class.text


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("there is no Chromium here")
    return found


def opened(browser: str, page: Path, address: str) -> Element:
    """A page as a real browser has it once its script has run."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    command = [browser, *flags, f"--user-data-dir={page.parent / 'user'}", "--dump-dom", f"{page.as_uri()}{address}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return read(done.stdout.replace("<!DOCTYPE html>", "").strip())


def test_an_address_presets_the_filters_in_a_real_browser(browser: str, tmp_path: Path) -> None:
    place = tmp_path / "fleet.html"
    rows = [*small(), row(HOSTILE, finding("error"), klass=HOSTILE), *(row(f"sound/{n}") for n in range(240))]
    place.write_text(page_of(rows), "utf-8")

    def named(address: str) -> tuple[list[str], str, Element]:
        page = opened(browser, place, address)
        one_by_one = page.one("table", "targets").one("tbody").all("tr", "one")
        return [tr.one("th").text for tr in one_by_one], page.one("output").text, page

    names, count, page = named("")
    assert count == "247 models"
    assert names[:3] == ["models/a/long/way/down/worse", "org/broken", data(page)[6][0]]
    assert len(names) == 100
    assert [b.text for b in page.one("nav").all("button")] == ["first", "previous", "next", "last"]
    assert "hidden" not in page.one("div", "filters").attributes
    names, count, page = named("#verdict=error&rule=DT105&q=ORG&sort=-model")
    assert (names, count) == (["org/broken"], "1 of 247 models")
    (sorted_by,) = [th for th in page.all("th") if "aria-sort" in th.attributes]
    assert (sorted_by.text, sorted_by.attributes["aria-sort"]) == ("model", "descending")
    pressed = [b.text for b in page.all("button", "pick") if b.attributes["aria-pressed"] == "true"]
    assert pressed == ["3 with errors", "DT105"]
    names, count, page = named(f"#class={quote(str(data(page)[6][5][0]), safe='')}")  # type: ignore[index]
    assert (len(names), count) == (1, "1 of 247 models")
    assert len(page.all("script")) == 2
    names, count, _ = named("#sort=model&page=3")
    assert len(names) == 47
    assert names[-1] == "sound/239"
    assert count == "247 models, 201 to 247 shown"
