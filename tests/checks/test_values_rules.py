"""The rules on numbers: what must be let alone first, then what each says beyond its page; and how the numbers are shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dtypecheck.api import scan
from dtypecheck.cli import cli
from dtypecheck.findings import Finding
from dtypecheck.render.json import document
from dtypecheck.render.options import Look
from dtypecheck.render.terminal import render
from dtypecheck.testing import findings, lay_out

VAE = 'config.json: {"_class_name": "AutoencoderKL"}\n'
FILE = "diffusion_pytorch_model.safetensors: "


def numbers(text: str, options: str = "$ --values full\n") -> list[Finding]:
    """The findings on numbers in an example of one VAE with these tensors."""
    return [finding for finding in findings(options + VAE + FILE + text) if finding.code.startswith("DT4")]


def codes(text: str, options: str = "$ --values full\n") -> list[str]:
    return [finding.code for finding in numbers(text, options)]


# what must be left alone


@pytest.mark.parametrize(
    "text",
    [
        "a.weight F32 64x64 = noise",
        "a.weight F16 64x64 = noise",
        "a.weight BF16 64x64 = noise",
        "a.weight F32 4x4 = 1; a.bias F32 4 = 0",
        "causal_mask F32 4x4 = 0 -inf; a.weight F32 64x64 = noise",
        "attn.bias F32 1x1x4x4 = -inf 0; a.weight F32 64x64 = noise",
        "text_model.encoder.mask F16 8x8 = -65504 0; a.weight F16 64x64 = noise",
        "logit_scale F32 - = 4.6; a.weight F32 64x64 = noise",
        "zero_convs.0.weight F32 4x4 = 0; a.weight F32 64x64 = noise",
        "blocks.0.adaLN_modulation.1.weight F32 4x4 = 0; a.weight F32 64x64 = noise; b.weight F32 64x64 = noise",
        "a.weight I32 4x4 = 100000; b.weight F32 64x64 = noise",
        "a.weight F32 2x0; b.weight F32 64x64 = noise",
        "norm.weight F32 64 = 1; a.weight F32 64x64 = noise",
    ],
)
def test_usual_weights_are_let_alone(text: str) -> None:
    assert codes(text) == []
    assert codes(text, "$ --dtype float16 --values full\n") == []


def test_a_lora_that_was_never_trained_is_let_alone() -> None:
    text = "$ --values full\nlora.safetensors: " + "; ".join(
        f"unet.b{i}.lora_A.weight F32 4x16 = noise; unet.b{i}.lora_B.weight F32 16x4 = 0; unet.b{i}.alpha F32 - = 4"
        for i in range(6)
    )
    assert [finding for finding in findings(text) if finding.code.startswith("DT4")] == []


def test_ones_and_zeros_alone_are_no_proof_of_a_narrower_past() -> None:
    assert codes("a.weight F32 64x64 = 1 0 0.5 -1 2") == []


def test_a_few_small_numbers_are_no_proof_that_bf16_was_fp16() -> None:
    assert codes("a.weight BF16 8x8 = noise F16") == []


def test_numbers_up_to_the_last_that_rounds_down_do_not_overflow() -> None:
    fp16 = "$ --dtype float16 --values quick\n"
    assert codes("a.weight F32 4x4 = 0.1 65519", fp16) == []
    assert codes("a.weight F32 4x4 = 0.1 65520", fp16) == ["DT402"]
    assert codes("a.weight BF16 4x4 = 0.1 65280", fp16) == []
    assert codes("a.weight BF16 4x4 = 0.1 65536", fp16) == ["DT402"]


def test_what_the_class_keeps_in_fp32_does_not_overflow() -> None:
    wan = '$ --dtype float16 --values quick\nconfig.json: {"_class_name": "WanTransformer3DModel"}\n'
    large = "blocks.0.scale_shift_table F32 4x4 = 0.1 70000; blocks.0.attn1.to_q.weight F32 64x64 = noise"
    found = [finding for finding in findings(wan + FILE + large) if finding.code == "DT402"]
    assert [finding.severity for finding in found] == ["note"]


# non-finite


def test_inf_in_a_mask_is_told_and_minus_inf_in_a_weight() -> None:
    assert codes("causal_mask F32 4x4 = 0 inf; a.weight F32 64x64 = noise") == ["DT401"]
    assert codes("a.weight F32 4x4 = 0.1 -inf; b.weight F32 64x64 = noise") == ["DT401"]


def test_other_weights_of_the_component_that_are_finite_are_offered() -> None:
    variant = "diffusion_pytorch_model.fp16.safetensors: a.weight F16 64x64 = noise\n"
    found = findings("$ --values quick\n" + VAE + variant + FILE + "a.weight F32 64x64 = noise nan")
    told = next(finding for finding in found if finding.code == "DT401")
    assert told.fix
    assert told.fix.title == "load diffusion_pytorch_model.fp16.safetensors, where these are finite"


# overflow


def test_overflow_is_an_error_where_it_is_loaded_so_and_a_note_where_not() -> None:
    text = "a.weight F32 4x4 = 0.1 70000"
    assert [finding.severity for finding in numbers(text, "$ --dtype float16 --values quick\n")] == ["error"]
    for other in ("", "--dtype float32 ", "--dtype bfloat16 "):
        assert [finding.severity for finding in numbers(text, f"$ {other}--values quick\n")] == ["note"], other


def test_overflow_of_bf16_is_told_and_fp32_is_offered() -> None:
    found = numbers("a.weight F32 4x4 = 0.1 3.4e38", "$ --dtype bfloat16 --values quick\n")
    assert [(finding.code, finding.severity) for finding in found] == [("DT402", "error")]
    assert found[0].fix
    assert "torch.float32" in found[0].fix.title


def test_a_config_that_declares_fp16_makes_it_an_error_too() -> None:
    text = '$ --values quick --lib transformers==5.23\nconfig.json: {"architectures": ["T5EncoderModel"], "dtype": "float16"}\n'
    found = findings(text + "model.safetensors: encoder.block.0.layer.0.SelfAttention.q.weight BF16 4x4 = 0.1 70000")
    assert [finding.severity for finding in found if finding.code == "DT402"] == ["error"]


# underflow


def test_underflow_is_a_warning_where_nearly_all_vanishes_and_a_note_where_half_does() -> None:
    fp16 = "$ --dtype float16 --values full\n"
    assert [finding.severity for finding in numbers("a.weight F32 4x4 = 1e-9; b.weight F32 64x64 = noise", fp16)] == ["warning"]
    assert [finding.severity for finding in numbers("a.weight F32 4x4 = 1e-9 0.1; b.weight F32 64x64 = noise", fp16)] == ["note"]
    assert codes("a.weight F32 4x4 = 1e-9 0.1 0.2; b.weight F32 64x64 = noise", fp16) == []
    assert codes("a.weight F32 4x4 = 1e-9; b.weight F32 64x64 = noise", "$ --values full\n") == []
    assert codes("a.bias F32 16 = 1e-9; b.weight F32 64x64 = noise", fp16) == []


# a narrower past


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.weight F32 64x64 = noise F16", "it was in fp16 before"),
        ("a.weight F32 64x64 = noise BF16", "it was in bf16 before"),
        ("a.weight BF16 500x500 = noise F16", "it was in fp16 before"),
    ],
)
def test_a_narrower_past_is_told(text: str, said: str) -> None:
    found = numbers(text)
    assert [finding.code for finding in found] == ["DT405"]
    assert said in found[0].message
    assert found[0].severity == "note"


def test_storing_it_narrow_is_lossless_only_where_every_number_was_looked_at() -> None:
    for depth, lossless in (("full", True), ("quick", False)):
        (found,) = numbers("a.weight F32 64x64 = noise F16", f"$ --values {depth}\n")
        assert found.fix
        assert found.fix.lossless is lossless


# EMA


HALVES = (
    "model.diffusion_model.input_blocks.0.0.weight F32 8x8 = {a}; "
    "model.diffusion_model.output_blocks.11.0.skip_connection.weight F32 4x4 = 0.3; "
    "model_ema.diffusion_modelinput_blocks00weight {b}; model_ema.decay F32 - = 1"
)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("0.1", "F16 8x8 = 0.1", "1 tensor is fp32 in the model and fp16 in the EMA"),
        ("0.1", "F32 4x8 = 0.1", "1 tensor is of another shape in the EMA"),
        ("nan", "F32 8x8 = 0.1", "1 tensor is NaN or inf in the model alone"),
        ("0.1", "F32 8x8 = 0", "1 tensor is all zeros in the EMA alone"),
        ("0.1", "F32 8x8 = 0.1", "1 tensor is not in the EMA"),
    ],
)
def test_halves_that_differ_are_told(a: str, b: str, said: str) -> None:
    found = [
        finding for finding in findings("$ --values quick\na.safetensors: " + HALVES.format(a=a, b=b)) if finding.code == "DT406"
    ]
    assert any(said in finding.message for finding in found), [finding.message for finding in found]


# zeros


def test_a_file_of_zeros_alone_is_an_error_and_one_weight_of_zeros_a_note() -> None:
    assert [(f.code, f.severity) for f in numbers("a.weight F32 4x4 = 0; b.weight F32 4x4")] == [("DT408", "error")]
    found = numbers("a.weight F32 4x4 = 0; b.weight F32 64x64 = noise; c.weight F32 64x64 = noise")
    assert [(f.code, f.severity) for f in found] == [("DT407", "note")]


def test_one_large_weight_of_zeros_at_the_end_of_a_file_is_no_file_that_ends_in_zeros() -> None:
    assert codes("a.weight F32 64x64 = noise; b.weight F32 64x64 = noise; c.weight F32 64x64 = 0") == ["DT407"]


def test_a_sparse_file_is_a_finding(tmp_path: Path) -> None:
    head = b'{"a.weight":{"dtype":"F16","shape":[64,64],"data_offsets":[0,8192]}}'
    with (tmp_path / "a.safetensors").open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + 8192)
    assert [finding.code for finding in scan(tmp_path / "a.safetensors", values="quick").findings] == ["DT408"]


# families


def test_a_weight_out_of_its_family_is_told_by_the_full_look_alone() -> None:
    text = "; ".join(f"b.{i}.norm.weight F32 4 = {1 if i else 101}" for i in range(5))
    assert codes(text) == ["DT409"]
    assert codes(text, "$ --values quick\n") == []
    assert codes(text.replace("101", "99")) == []
    assert codes("; ".join(f"b.{i}.norm.weight F32 4 = {1 if i else 101}" for i in range(4))) == []


# how it is shown


MODEL = (
    "$ --values quick\n"
    + VAE
    + FILE
    + "a.weight F32 4x4 = 0.5 70000 nan; b.weight F32 4x4 = 0; c.weight F32 64x64 = noise; d I64 3"
)


def lay(folder: Path, text: str) -> Path:
    files = lay_out(text).files
    for entry in files.entries():
        (folder / entry.name).write_bytes(files.read(entry.name))
    return folder


def test_the_terminal_shows_a_line_a_component_and_with_v_the_notable_tensors(tmp_path: Path) -> None:
    report = scan(lay(tmp_path, MODEL), values="full")
    brief, long = io.StringIO(), io.StringIO()
    render(report, brief, Look())
    render(report, long, Look(verbosity=1))
    lines = brief.getvalue().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("numbers"))
    assert lines[at].split()[:8] == ["numbers", "dtype", "abs", "max", "NaN", "or", "inf", "over"]
    assert lines[at + 1].split()[1:6] == ["fp32", "70,000", "1", "1", "1"]
    assert "a.weight fp32: 5 NaN, 5 over fp16 of 16" in long.getvalue()
    assert "b.weight fp32: all of its 16 numbers are zero" in long.getvalue()
    assert "1 tensor without plain floating numbers" in long.getvalue()
    assert "a.weight fp32:" not in brief.getvalue()


def test_the_json_lists_every_tensor_and_fits_the_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((Path(__file__).parents[2] / "dtypecheck" / "render" / "schema.json").read_text())
    made = document(scan(lay(tmp_path, MODEL), values="full"))
    jsonschema.Draft202012Validator(schema).validate(made)
    (part,) = made["values"]
    assert (part["component"], part["depth"], part["loaded"], part["skipped"], part["absmax"]) == ("", "full", True, 1, 70000.0)
    assert {tensor["key"]: tensor["nan"] for tensor in part["tensors"]} == {"a.weight": 5, "b.weight": 0, "c.weight": 0}
    assert set(part["tensors"][0]["casts"]) == {"F16", "BF16"}
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_of_several_targets_each_keeps_its_numbers(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        lay(tmp_path / name, MODEL)
    from dtypecheck.api import scan_paths

    made = document(scan_paths([tmp_path / "one", tmp_path / "two"], values="quick"))
    assert [part["pipeline"] for part in made["values"]] == ["one", "two"]
    assert made["values"][1]["tensors"][0]["path"] == "two/diffusion_pytorch_model.safetensors"


def test_values_stands_before_or_behind_the_target_and_says_how_closely(tmp_path: Path) -> None:
    target = str(lay(tmp_path, MODEL))

    def depth(*words: str) -> str:
        done = CliRunner().invoke(cli, ["scan", *words, "--output-format", "json"])
        assert done.exit_code == 1
        return "".join(part["depth"] for part in json.loads(done.stdout)["values"])

    for words in (("--values", target), (target, "--values"), (target, "--values=quick"), ("--values", "quick", target)):
        assert depth(*words) == "quick", words
    assert depth(target, "--values=full") == depth("--values", "full", target) == "full"
    assert CliRunner().invoke(cli, ["scan", target, "--values=deep"]).exit_code == 2
    assert json.loads(CliRunner().invoke(cli, ["scan", target, "--output-format", "json"]).stdout)["values"] == []
