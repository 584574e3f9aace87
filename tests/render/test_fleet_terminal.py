"""A fleet on a terminal and in a log: the sentence, the tables, the worst models, whatever they are called."""

from __future__ import annotations

import re
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper
from itertools import permutations

import pytest
from rich.cells import cell_len

from dtypecheck.fleet.tally import Tally
from dtypecheck.render.options import Look
from dtypecheck.render.terminal_fleet import render
from dtypecheck.render.words_fleet import concise, looked, parameters, sentence, short, worst

from .fleets import finding, lost, row, small, tally_of

HOSTILE = "[red]x[/red] \x1b[31m\r\n\u202e </script> " + "y" * 900
SMALL = """\
1 of 6 models has no findings; 2 with errors, 1 with warnings, 1 with notes only; 1 could not be looked at
in 20 components, 45 files, 26,415 tensors, 35.0 GB

   by rule                      error  warning  note  findings
x  DT105    load-fails              2        -     -         3
!  DT111    default-load-mixes      -        2     -         2
   DT103    variant-lies            -        -     2         3

   by class                   error  warning  models
x  FluxPipeline                   1        1       2
x  StableDiffusionXLPipeline      1        -       3

   by dtype  error  warning  models  parameters
x  fp16          2        1       5        17 B

   worst models                  error  warning  first finding
x  models/a/long/way/down/worse      2        -  DT105 unet/config.json: load-fails, said by a test
x  org/broken                        1        1  DT105 unet/config.json: load-fails, said by a test
!  org/warned                        -        1  DT111 unet/config.json: default-load-mixes, said by a test

   could not be looked at  because
!  org/secret              401: it asks for a token

dtypecheck explain DT105
"""
CONCISE = """\
models/a/long/way/down/worse: 2 errors: DT105 unet/config.json: load-fails, said by a test
org/broken: 1 error, 1 warning: DT105 unet/config.json: load-fails, said by a test
org/warned: 1 warning: DT111 unet/config.json: default-load-mixes, said by a test
org/secret: nothing to look at: 401: it asks for a token
rule DT105 load-fails: error in 2; 3 findings
rule DT111 default-load-mixes: warning in 2; 2 findings
rule DT103 variant-lies: note in 2; 3 findings
class FluxPipeline: 2 models, 1 with errors, 1 with warnings
class StableDiffusionXLPipeline: 3 models, 1 with errors
dtype fp16: 17,344,189,335 parameters in 5 models, 2 with errors, 1 with warnings
looked at 20 components, 45 files, 26,415 tensors, 35.0 GB
1 of 6 models has no findings; 2 with errors, 1 with warnings, 1 with notes only; 1 could not be looked at
"""


def shown(tally: Tally, look: Look | None = None) -> str:
    """What a terminal gets, without the blanks at the ends of lines."""
    out = StringIO()
    render(tally, out, look or Look())
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def logged(tally: Tally) -> str:
    out = StringIO()
    concise(tally, out)
    return out.getvalue()


def test_a_small_fleet_reads_just_so() -> None:
    assert shown(tally_of(small())) == SMALL


def test_a_log_reads_just_so_and_ends_with_the_sentence() -> None:
    assert logged(tally_of(small())) == CONCISE


def test_neither_depends_on_the_order_of_the_rows_nor_on_how_tallies_were_added() -> None:
    for rows in list(permutations(small()))[::97]:
        added = tally_of(rows[:2]) + (tally_of(rows[2:3]) + tally_of(rows[3:]))
        assert shown(added) == SMALL
        assert logged(added) == CONCISE


@pytest.mark.parametrize(
    ("rows", "said", "colour"),
    [
        ([], "no models", "ok"),
        ([row("a")], "1 of 1 model has no findings", "ok"),
        ([row("a"), row("b")], "2 of 2 models have no findings", "ok"),
        ([row("a", finding("note"))], "0 of 1 model has no findings; 1 with notes only", "note"),
        ([row("a"), lost("b")], "1 of 2 models has no findings; 1 could not be looked at", "warning"),
        ([lost("a", "killed"), lost("b")], "0 of 2 models have no findings; 2 could not be looked at", "warning"),
        ([row("a", finding("warning"))], "0 of 1 model has no findings; 1 with warnings", "warning"),
        (
            [row("a", finding("error")), lost("b")],
            "0 of 2 models have no findings; 1 with errors; 1 could not be looked at",
            "error",
        ),
    ],
)
def test_the_sentence_says_the_result(rows: list[dict[str, object]], said: str, colour: str) -> None:
    tally = tally_of(rows)
    assert sentence(tally) == said
    assert shown(tally).splitlines()[0] == said
    assert logged(tally).splitlines()[-1] == said
    assert worst(tally) == colour


def test_of_nothing_nothing_is_shown_but_the_sentence() -> None:
    assert shown(Tally()) == logged(Tally()) == "no models\n"
    assert looked(Tally()) == ""


def test_a_narrow_terminal_gets_the_same_rows_and_no_line_that_wraps() -> None:
    text = shown(tally_of(small()), Look(width=60))
    first, *rest = text.splitlines()
    assert first == SMALL.splitlines()[0]
    assert all(len(line) <= 60 for line in rest)
    assert "x  ...y/down/worse      2        -  DT105 unet/config.jso..." in rest
    assert len(rest) == len(SMALL.splitlines()) - 1
    assert "!  DT111    default-load-...      -        2     -         2" in rest


def test_quiet_leaves_the_sentence_alone() -> None:
    assert shown(tally_of(small()), Look(verbosity=-1)) == SMALL.splitlines()[0] + "\n"


def test_long_tables_are_cut_and_whole_with_v() -> None:
    tally = tally_of(row(f"m{n}", klass=f"C{n:02}Pipeline") for n in range(14))
    assert "2 classes more, shown with -v" in shown(tally)
    assert "C13Pipeline" not in shown(tally)
    assert "C13Pipeline" in shown(tally, Look(verbosity=1))
    assert "more" not in shown(tally, Look(verbosity=1))


def test_of_many_bad_models_twenty_are_named_and_the_rest_counted() -> None:
    rows = [row(f"m{n:03}", finding("error")) for n in range(130)] + [lost(f"x{n:03}") for n in range(95)]
    tally = tally_of(rows)
    text = shown(tally)
    assert re.findall(r"^x  (m\d+)", text, re.MULTILINE) == [f"m{n:03}" for n in range(20)]
    assert re.findall(r"^!  (x\d+)", text, re.MULTILINE) == [f"x{n:03}" for n in range(20)]
    assert re.findall(r"(\d+) models more", text) == ["110", "75"]
    assert "and 110 models more with errors or warnings" in logged(tally)
    assert "and 75 models more that could not be looked at" in logged(tally)


def test_colour_only_where_it_is_welcome() -> None:
    assert "\x1b" not in shown(tally_of(small()))
    assert "\x1b[1;31m" in shown(tally_of(small()), Look(colour=True))
    assert re.sub(r"\x1b\[[\d;]*m", "", shown(tally_of(small()), Look(colour=True))).split() == SMALL.split()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_hostile_name_steers_no_terminal_and_breaks_no_table(width: int) -> None:
    bad = finding("error", path=HOSTILE)
    tally = tally_of([row(HOSTILE, bad, klass=HOSTILE), lost(HOSTILE, f"killed {HOSTILE}"), *small()])
    text = shown(tally, Look(width=width))
    assert set(text) & set("\x1b\r\u202e") == set()
    assert all(cell_len(line) <= width for line in text.splitlines()[1:])
    assert len(text.splitlines()) == len(SMALL.splitlines()) + 3
    assert "[red]x[/red]" in text
    log = logged(tally)
    assert set(log) & set("\x1b\r\u202e") == set()
    assert len(log.splitlines()) == len(CONCISE.splitlines()) + 3


def test_wide_letters_are_cut_by_the_columns_that_they_take() -> None:
    tally = tally_of([row("模型" * 60, finding("error", path="重み" * 60), klass="管" * 90)])
    assert all(cell_len(line) <= 60 for line in shown(tally, Look(width=60)).splitlines()[1:])


def test_an_old_code_page_shows_all_that_is_ours_as_it_is() -> None:
    raw = BytesIO()
    stream = TextIOWrapper(raw, "cp1252", errors="backslashreplace", newline="\n")
    render(tally_of([*small(), row("模型", finding("error"))]), stream, Look(width=60))
    concise(tally_of([*small(), row("模型", finding("error"))]), stream)
    stream.flush()
    assert rb"\u6a21\u578b" in raw.getvalue()
    ours = BytesIO()
    strict = TextIOWrapper(ours, "ascii", newline="\n")
    render(tally_of(small()), strict, Look())
    strict.flush()
    assert ours.getvalue().decode("ascii").split() == SMALL.split()


def test_the_log_needs_no_rich() -> None:
    code = "import sys; import dtypecheck.render.words_fleet; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert not {"torch", "numpy", "rich", "diffusers"} & set(done.stdout.split())


def test_dtypes_and_parameters_are_told_as_people_say_them() -> None:
    assert [short(name) for name in ("F16", "BF16", "F32", "F8_E4M3", "ODD")] == ["fp16", "bf16", "fp32", "fp8_e4m3", "ODD"]
    assert [parameters(n) for n in (0, 39_232, 999_999, 1_234_567, 860_000_000, 2_600_000_000, 38 * 10**12)] == [
        "0", "39,232", "999,999", "1.2 M", "860 M", "2.6 B", "38 T",
    ]  # fmt: skip
