"""The notation of rule pages: what it lays out is what the format's own reader reads, and a page that lies is caught."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dtypecheck import checks, rule
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.files import Entry
from dtypecheck.findings import Finding
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.weights import read_safetensors
from dtypecheck.rule import Rule
from dtypecheck.subjects import Component, Pipeline, WeightFile
from dtypecheck.subjects.numbers import Departure, Frame, Healing, Picture, Producer, Replay
from dtypecheck.subjects.shown import Crash, Event, ModuleRow, Operand, Run, Tried
from dtypecheck.testing import Example, failures, findings, lay_out, safetensors

checks.load()


def entry(example: Example, name: str) -> Entry:
    return next(entry for entry in example.files.entries() if entry.name == name)


def read(example: Example, name: str) -> bytes:
    return example.files.read(name)


# the notation


def test_an_empty_text_lays_out_nothing() -> None:
    assert lay_out("") == lay_out("\n  \n") == Example(lay_out("").files, {})
    assert list(lay_out("").files.entries()) == []


def test_json_is_laid_out_one_key_a_line_so_that_findings_have_lines() -> None:
    example = lay_out('vae/config.json: {"a": 1, "b": {"c": "d: {e}"}}')
    assert json.loads(read(example, "vae/config.json")) == {"a": 1, "b": {"c": "d: {e}"}}
    assert read(example, "vae/config.json").decode().split("\n")[1] == '  "a": 1,'


def test_weights_are_a_header_that_safetensors_reads_and_a_true_size() -> None:
    library = pytest.importorskip("safetensors")
    example = lay_out("unet/model.safetensors: a.weight F16 4x4; b F32 2; scalar I64 -")
    content = read(example, "unet/model.safetensors")
    assert len(content) == entry(example, "unet/model.safetensors").size
    found = {key: (info["dtype"], info["shape"]) for key, info in library.deserialize(content)}
    assert found == {"a.weight": ("F16", [4, 4]), "b": ("F32", [2]), "scalar": ("I64", [])}


@pytest.mark.parametrize(("change", "difference"), [("", 0), (" | cut 8", -8), (" | add 3", 3)])
def test_weights_may_be_too_short_or_too_long(change: str, difference: int) -> None:
    whole = entry(lay_out("m.safetensors: a F16 4x4; b F32 2"), "m.safetensors").size
    example = lay_out(f"m.safetensors: a F16 4x4; b F32 2{change}")
    assert entry(example, "m.safetensors").size == whole + difference
    assert bool(read_safetensors(example.files, entry(example, "m.safetensors")).problems) == bool(difference)


def test_weights_too_large_for_memory_are_laid_out_by_their_header_alone() -> None:
    example = lay_out("m.safetensors: a F32 1000000x1000000")
    assert entry(example, "m.safetensors").size > 4e12
    assert len(example.files.contents["m.safetensors"]) < 1000
    assert read_safetensors(example.files, entry(example, "m.safetensors")).problems == ()


def test_texts_and_pointers_are_laid_out_as_they_are() -> None:
    example = lay_out('a.onnx: text "line\\n{two}"\nm.safetensors: lfs 1234')
    assert read(example, "a.onnx") == b"line\n{two}"
    assert read(example, "m.safetensors").startswith(b"version https://git-lfs.github.com/spec/v1\noid sha256:0000")
    assert read(example, "m.safetensors").endswith(b"\nsize 1234\n")


def test_options_are_gathered_by_name_in_any_order() -> None:
    example = lay_out('$ --dtype float16 --lib "transformers==4.57"\na.json: {}\n$ --lib diffusers==0.35')
    assert example.options == {"dtype": ["float16"], "lib": ["transformers==4.57", "diffusers==0.35"]}


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        "a b: {}",
        "m.safetensors: a F16",
        "m.safetensors: a F16 4x",
        "m.safetensors: ",
        "m.safetensors: a F16 4 extra",
        "c.json: {",
        "$ --dtype",
        "m: lfs many",
        't: text "x',
    ],
)
def test_a_line_that_is_none_of_the_notations_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        lay_out(line)


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(KeyError, match="F99"):
        lay_out("m.safetensors: a F99 4")


def test_a_header_is_padded_to_eight_bytes_and_holds_its_metadata() -> None:
    library = pytest.importorskip("safetensors")
    content, size = safetensors([("a", "BF16", (3,))], {"format": "pt"})
    assert len(content) % 8 == 0
    assert size == len(content) + 6
    assert library.deserialize(content + bytes(6))[0][1]["shape"] == [3]
    assert b'{"__metadata__":{"format":"pt"}' in content


# findings and failures


class _Big(Rule):
    """Not registered: it has no code. Its subclasses do its work."""

    def check(self, file: WeightFile, known: Knowledge) -> Iterator[Finding]:
        """A finding for each file of more than 100 bytes."""
        if file.nbytes > 200:
            yield self.finding(file_where(file), "big")


def file_where(file: WeightFile) -> rule.Where:
    return rule.Where(file.path)


PAGE = """A file is large.

Words.

```bad
m.safetensors: a F16 {bad}
```

```good
m.safetensors: a F16 {good}
```
"""


def made(monkeypatch: pytest.MonkeyPatch, doc: str) -> type[Rule]:
    monkeypatch.setattr(rule, "_RULES", dict(rule._RULES))
    return type("FileIsLarge", (_Big,), {"code": "DT999", "__doc__": doc, "__module__": __name__})


def test_a_page_whose_examples_hold_has_no_failures(monkeypatch: pytest.MonkeyPatch, known: Knowledge) -> None:
    assert failures(made(monkeypatch, PAGE.format(bad=500, good=4)), known) == []


@pytest.mark.parametrize(
    ("doc", "wrong"),
    [
        (PAGE.format(bad=4, good=4), ["file-is-large: example bad 1 is silent"]),
        (PAGE.format(bad=500, good=500), ["file-is-large: example good 1 is not silent"]),
        (PAGE.format(bad=4, good=500), ["file-is-large: example bad 1 is silent", "file-is-large: example good 1 is not silent"]),
        ("One line.\n\nWords.", ["file-is-large: no example bad", "file-is-large: no example good"]),
        ("One line.\n\nWords.\n\n```bad\nm.safetensors: a F16 500\n```\n", ["file-is-large: no example good"]),
        (PAGE.format(bad=500, good=4).replace("Words.\n\n", ""), ["file-is-large: the page says nothing"]),
        (
            "",
            [
                "file-is-large: the page has no first line",
                "file-is-large: the page says nothing",
                "file-is-large: no example bad",
                "file-is-large: no example good",
            ],
        ),
    ],
)
def test_a_page_that_lies_or_lacks_something_is_caught(
    monkeypatch: pytest.MonkeyPatch, known: Knowledge, doc: str, wrong: list[str]
) -> None:
    assert failures(made(monkeypatch, doc), known) == wrong


def test_findings_are_those_of_a_scan_with_the_options_of_the_example(known: Knowledge) -> None:
    text = """
        config.json: {"architectures": ["BertModel"]}
        model.safetensors: a.weight F32 4x4 | cut 8
    """
    assert [f.code for f in findings(text, known) if f.severity == "error"] == ["DT003"]
    with pytest.raises(ValueError, match="float17"):
        findings("$ --dtype float17\n" + text, known)


def test_a_file_that_cannot_be_listed_can_be_written_in_an_example(known: Knowledge) -> None:
    example = lay_out("a/m.safetensors: unreadable the link points to nothing")
    sizes = {entry.name: (entry.size, entry.identity) for entry in example.files.entries()}
    assert sizes == {"a/m.safetensors": (-1, "unlisted:the link points to nothing")}
    assert [f.message for f in findings("a/m.safetensors: unreadable the link points to nothing", known)] == [
        "the link points to nothing"
    ]


def test_an_adapter_of_an_example_is_not_part_of_the_target(known: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class _Sees(Rule):
        def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
            seen.append(f"{component.family}:{component.role}:{component.pipeline.kind}")
            yield from ()

    monkeypatch.setattr(rule, "_RULES", dict(rule._RULES))
    type("SeesAll", (_Sees,), {"code": "DT998", "__module__": __name__})
    findings(
        """
        $ --adapter lora.safetensors
        config.json: {"_class_name": "AutoencoderKL"}
        diffusion_pytorch_model.safetensors: a F16 4
        lora.safetensors: x.lora_down.weight F16 4x4; x.lora_up.weight F16 4x4
        """,
        known,
    )
    assert sorted(seen) == ["adapter:lora:component", "diffusers:vae:component"]


# the notation of runs


RAN = """
run: watched crashes on t4
crash: unet.conv_in conv2d in denoise | input F32 vae.decoder (sample) at x.py:7 | bias F16 | says a | b | glue y.py:1 | script s.py:2 | not confirmed
event: promoted unet.mid add F16+F32->F32 | by the argument latents | 12 bytes | 3 downstream | 4 times | by design
remedy: float16,vae=float32 runs
stand-in: tokenizer: not there
weights: unet 5000
""".replace("says a | b", "says a: b")  # noqa: E501


def test_a_run_is_read_from_its_lines() -> None:
    shown = lay_out(RAN).shown
    assert shown
    operands = (Operand("input", F32, "vae.decoder (sample)", "vae", "x.py:7"), Operand("bias", F16))
    crash = Crash("unet.conv_in", "conv2d", "a: b", operands, "y.py:1", "s.py:2", "denoise", False)
    event = Event("promoted", "unet.mid", "add", (F16, F32), F32, "the argument latents", 12, 4, 3, True)
    assert shown.run(None) == Run(
        "watched",
        "crashes",
        "t4",
        crash,
        events=(event,),
        weight_bytes={"unet": 5000},
        substituted=("tokenizer: not there",),
        remedies=(Tried({"all of it": F16}, "runs"),),
    )


def test_a_remedy_is_spread_over_the_components_of_the_pipeline() -> None:
    example = lay_out("run: crashes on cuda\ncrash: - x\nremedy: float16,vae=float32 runs")
    parts = tuple(Component(name, name, None, "diffusers", "other") for name in ("unet", "vae"))
    pipeline = Pipeline(".", None, "pipeline", parts)
    assert example.shown
    run = example.shown.run(pipeline)
    assert run.remedies[0].dtypes == {"unet": F16, "vae": F32}
    assert run.pipeline is pipeline
    assert run.crash == Crash("", "x", "")


WATCHED = """
run: watched runs on cuda
script: serve.py as pipe
producer: inf vae.a F16 Conv2d at step 2 | largest 61440 | before vae.b F16 58112 | carried by 41 to vae.c | killed by vae.d | in aten.div | inside vae.e | weights w, b | 3 times | reaches vae | autocast | replay precision largest 9e4 needs 1.4 switch x y
producer: nan - BF16 | glue x.py:12
module: vae.a Conv2d F16->F32 | weights F16 | 50 calls | largest 61000
module: vae.m F16->-
picture: nan 1 of 2 at save rgb 1 2 3 | by vae.a | file out.png | call 2
departure: unet F16 0.31 | first unet.mid 0.12
healed: cast unet.x F32->F16 | 12 times | cost 3 MB | instead load it in fp16
event: mixed unet.c - F16+F32
steps: unet 50
limit: unet is compiled: one module
rank: 1
code: 3
"""  # noqa: E501


def test_what_a_watched_run_shows_of_its_numbers_is_read_from_its_lines() -> None:
    shown = lay_out(WATCHED).shown
    assert shown
    run = shown.run(None)
    before = (Frame("vae.b", F16, F16, None, 58112.0),)
    first = Producer(
        "vae.a", 2, F16, "inf", "Conv2d", 61440.0, before, 41, "vae.c", "vae.d", "", ("w", "b"), 3, "vae", "aten.div", "vae.e",
        True, Replay("precision", 9e4, 1.4, "x y"),
    )  # fmt: skip
    assert run.producers == (first, Producer("", 1, BF16, "nan", glue="x.py:12"))
    assert run.modules == (ModuleRow("vae.a", 50, F16, F32, 61000.0, "Conv2d", F16), ModuleRow("vae.m", 1, F16))
    assert run.pictures == (Picture("nan", 1, 2, "save", "rgb 1 2 3", "vae.a", "out.png", 2),)
    assert run.departures == (Departure("unet", F16, 0.31, "unet.mid", 0.12),)
    assert run.healed == (Healing("unet.x", "cast", F32, F16, 12, "3 MB", "load it in fp16"),)
    assert run.events == (Event("mixed", "unet.c", "", (F16, F32)),)
    assert (run.steps, run.limits, run.ranks, run.code) == ({"unet": 50}, ("unet is compiled: one module",), (1,), 3)
    assert (run.script, run.variable) == ("serve.py", "pipe")


def test_an_example_without_a_run_has_none() -> None:
    assert lay_out("run.json: {}\nevents/config.json: {}").shown is None


@pytest.mark.parametrize(
    "line",
    [
        "run: maybe on cuda",
        "run: runs",
        "run: runs on cuda | and more",
        "crash: a b | somebody F16",
        "crash: a b | input F99",
        "event: promoted a b",
        "event: promoted a b F16->F32 | 3 apples",
        "remedy: float16",
        "remedy: float17 runs",
        "weights: unet",
        "weights: unet many",
        "steps: unet many",
        "rank: first",
        "code: bad",
        "producer: melts unet.a F16",
        "producer: inf unet.a F99",
        "producer: inf unet.a F16 | apples 3",
        "producer: inf unet.a F16 | replay perhaps",
        "module: unet.a Linear F99->F16",
        "module: unet.a Linear F16->F16 | many calls",
        "module: unet.a Linear F16->F16 | somebody",
        "picture: nice 1 of 1",
        "picture: nan first",
        "picture: nan 1 of 1 | from x",
        "departure: unet F16",
        "departure: unet F16 0.1 | last x 1",
        "healed: cast unet.a F16",
        "healed: cast unet.a F16->F32 | price 3",
    ],
)
def test_a_line_that_says_nothing_about_a_run_is_refused(line: str) -> None:
    rest = "" if line.startswith("run") else "run: runs on cuda\n"
    with pytest.raises((ValueError, KeyError)):
        lay_out(rest + line).shown.run(None)  # type: ignore[union-attr]


def test_lines_about_a_run_that_never_ran_are_refused() -> None:
    with pytest.raises(ValueError, match="run: runs on cuda"):
        lay_out("weights: unet 3")
