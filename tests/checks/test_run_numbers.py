"""The rules on the numbers of a watched run: where they went wrong, and how bad that is."""

from __future__ import annotations

import pytest

from dtypecheck.findings import Where

from .run_numbers import CONV, fix, of_run, one

# what must be left alone


@pytest.mark.parametrize(
    "lines",
    [
        "module: vae.decoder.conv_in Conv2d F16->F16 | largest 32752",  # one doubling left, not less
        "module: unet.norm Norm BF16->BF16 | largest 60000",
        "module: unet.norm Norm F32->F32 | largest 65000",
        "module: unet.norm Norm F16->F16",
        "module: text_encoder.mask Mask F16->F16 | largest 65504",
        "module: unet.norm Norm F16->F16 | largest 0",
        "picture: ok 1 of 1",
        "departure: unet F16 0.0078",
        "departure: unet BF16 0.062",
        "departure: unet F16 0",
        "event: mixed unet.x - F16+F32 | by design",
        "event: lowered unet.x - F32->F16 | by design",
        "event: scaler unet.x GradScaler F16 | by design",
        "event: optimizer unet.x AdamW F16 | by design",
        "event: optimizer-nan unet.x AdamW F16 | by design",
    ],
)
def test_what_is_healthy_or_by_design_is_silent(lines: str) -> None:
    assert of_run(lines) == []


# DT307


def test_a_black_picture_is_told_with_the_module_where_it_began() -> None:
    found = one(
        f"producer: inf {CONV} F16 Conv2d | largest 61440 | before vae.decoder.a F16 12 | before vae.decoder.b F16 58112"
        " | before vae.decoder.c F32 90000 | carried by 41 to vae.decoder.conv_out | reaches vae"
        f"\npicture: nan 1 of 1 at postprocess black | by {CONV}"
    )
    assert (found.code, found.severity, found.component) == ("DT307", "error", "vae")
    assert found.message == (
        f"image 1 of 1 is black: all of it was NaN before it became a picture; {CONV} (fp16) overflowed: "
        "inputs finite, largest 61,440"
    )
    assert found.because == "vae.decoder.b reached 58,112 of 65,504 before it; carried by 41 modules to vae.decoder.conv_out"
    assert found.where == Where("serve.py", CONV)


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (["nan 1 of 1 at save partly black"], "image 1 of 1 is partly black: part of it was NaN before it became a picture; "),
        (["inf 1 of 1 at save white"], "image 1 of 1 is white: all of it was inf before"),
        (["nan 1 of 1"], "image 1 of 1 is black: it was NaN before"),
        (["nan 1 of 4", "nan 3 of 4"], "images 1 and 3 of 4 are black: they were NaN before they became pictures; "),
        ([f"nan {n} of 4" for n in (1, 2, 3, 4)], "all 4 images are black: "),
        ([f"nan {n} of 9" for n in range(1, 8)], "7 of 9 images are black: "),
        (["nan 1 of 1", "nan 1 of 1 | call 2"], "2 images of 2 calls are black: "),
        (["nan 1 of 2", "inf 2 of 2"], "all 2 images are black and white: they were NaN and inf before"),
    ],
)
def test_pictures_are_counted_in_words(pictures: list[str], words: str) -> None:
    lines = "\n".join(f"picture: {text}" for text in pictures)
    assert one(f"producer: inf {CONV} F16 | reaches vae\n{lines}").message.startswith(words)


def test_a_picture_that_names_another_module_is_not_this_ones() -> None:
    told = of_run(f"producer: inf {CONV} F16 | reaches vae\npicture: nan 1 of 1 | by unet.conv_out")
    assert [(f.code, f.message.partition(":")[0]) for f in told] == [
        ("DT307", "the output of vae is not finite"),
        ("DT311", "image 1 of 1 is black"),
    ]


@pytest.mark.parametrize(
    ("producer", "severity", "words"),
    [
        ("inf unet.a F16 | reaches unet", "error", "the output of unet is not finite: unet.a (fp16) overflowed"),
        ("nan unet.a BF16 | reaches unet", "error", "the output of unet is not finite: unet.a (bf16) gave NaN"),
        ("inf unet.a F16 | killed by unet.b", "warning", "unet.a (fp16) overflowed: inputs finite; unet.b made it finite again"),
        ("inf unet.a F16", "note", "unet.a (fp16) overflowed: inputs finite; it reached no output that was seen"),
        ("nan unet.a F32 | reaches unet", "warning", "the output of unet is not finite"),
        ("inf unet.a F64 | reaches unet", "warning", "the output of unet is not finite"),
        (
            "nan unet.a F32 | reaches unet | weights weight",
            "error",
            "the output of unet is not finite: unet.a (fp32) holds weights",
        ),
        ("nan unet.a F16 | reaches unet | replay not numeric", "warning", "the output of unet"),
        ("nan unet.a F16 | reaches unet | replay precision largest 9e4 needs 1.4", "error", "the output of unet"),
        (
            "nan - F16 | glue serve.py:12 | reaches unet",
            "warning",
            "the output of unet is not finite: serve.py:12 (fp16) gave NaN",
        ),
        (
            "inf - F16 | glue serve.py:12 | reaches unet",
            "error",
            "the output of unet is not finite: serve.py:12 (fp16) overflowed",
        ),
        ("nan - F16 | glue x.py:1 | reaches unet | replay precision", "error", "the output of unet"),
    ],
)
def test_how_bad_it_is_depends_on_where_it_ended_and_on_what_is_to_blame(producer: str, severity: str, words: str) -> None:
    found = one(f"producer: {producer}")
    assert (found.code, found.severity) == ("DT307", severity)
    assert found.message.startswith(words)


@pytest.mark.parametrize(
    ("producer", "severity"),
    [
        ("nan unet.attn F16 | largest 3.3 | before unet.attn.to_q F16 4.1 | reaches unet", "warning"),
        ("nan unet.attn F16 | largest 3.3 | before unet.attn.to_q F16 40 | reaches unet", "error"),
        ("nan unet.attn F16 | largest 3.3 | before unet.norm F16 900 | reaches unet", "warning"),  # not inside of it
        ("nan unet.attn F16 | largest 900 | reaches unet", "error"),
        ("nan unet.attn F16 | largest 0.0001 | reaches unet", "error"),  # its square is zero in fp16
        ("nan unet.attn F16 | largest 0 | reaches unet", "error"),
        ("nan unet.attn F16 | reaches unet", "error"),
        ("inf unet.attn F16 | largest 3.3 | reaches unet", "error"),
        ("nan unet.attn BF16 | largest 60000 | reaches unet", "warning"),
        ("nan unet.attn BF16 | largest 2e18 | reaches unet", "error"),
        ("nan unet.attn F16 | largest 3.3 | reaches unet | replay precision", "error"),
        ("nan unet.attn F16 | largest 3.3 | reaches unet | replay kernel", "warning"),
        ("nan unet.attn F16 | largest 3.3 | killed by unet.b", "note"),
        ("nan unet.attn F32 | largest 3.3 | killed by unet.b", "note"),
        ("nan unet.attn F16 | largest 900 | killed by unet.b", "warning"),
        ("nan - F16 | largest 900 | glue x.py:1 | reaches unet", "warning"),
    ],
)
def test_nan_of_ordinary_numbers_may_have_another_cause_than_the_dtype(producer: str, severity: str) -> None:
    rows = "module: unet.attn Attention F16->F16\nmodule: unet.norm Norm F16->F16\n"
    assert one(f"{rows}producer: {producer}").severity == severity


def test_what_may_have_another_cause_is_to_be_watched_with_confirm() -> None:
    rows = "module: unet.attn Attention F16->F16\nmodule: unet.norm Norm F16->F16\n"
    found = one(f"{rows}producer: nan unet.attn F16 | largest 3.3 | reaches unet")
    assert found.because == "nothing near it leaves the range of fp16: a faulty kernel or its own code may be behind it"
    assert found.fix
    assert found.fix.title == "watch it again with --confirm, which tells a dtype from a kernel"


def test_a_component_that_is_seen_as_one_module_is_judged_by_what_comes_out() -> None:
    assert one("module: unet Net F16->F16\nproducer: nan unet F16 | largest 3.3 | reaches unet").severity == "error"


def test_autocast_is_named_where_it_took_float32_weights_to_half() -> None:
    found = one("producer: inf vae.conv F16 | largest 3 | reaches vae | autocast")
    assert found.because == "autocast runs it in fp16 with wider weights"
    assert found.fix
    assert found.fix.title == 'call vae outside of autocast: with torch.autocast("cuda", enabled=False): ...'


def test_a_line_that_hands_on_what_a_component_made_is_not_accused_too() -> None:
    first = "producer: inf encoder.wo F16 | reaches encoder\n"
    handed = "producer: inf - F16 | glue encoder_hidden_states from encoder | reaches unet"
    assert one(first + handed).where.at == "encoder.wo"
    assert len(of_run(first + handed.replace("from encoder", "from vae"))) == 2
    assert len(of_run(handed)) == 1


def test_a_magnitude_far_from_its_limit_before_it_is_not_worth_telling() -> None:
    assert one("producer: inf unet.a F16 | before unet.b F16 900 | before unet.c F32 9e9 | reaches unet").because == ""
    assert (
        one("producer: inf unet.a F16 | before unet.b F16 3000 | reaches unet").because
        == "unet.b reached 3,000 of 65,504 before it"
    )


def test_numbers_of_fp32_get_no_advice_about_dtypes() -> None:
    found = one("producer: nan unet.a F32 | reaches unet")
    assert found.fix is None
    assert found.because == "unet.a computes in fp32: no wider dtype would help"


def test_against_weights_that_are_not_finite_no_dtype_helps() -> None:
    assert fix("producer: nan unet.a F32 | weights weight, bias | reaches unet") == (
        "take another copy of the weights: no dtype helps against these"
    )
    half = one("producer: nan unet.a F16 | weights a, b, c, d | reaches unet")
    assert half.message.endswith("unet.a (fp16) holds weights that are not finite (a, b, c and ...)")
    assert half.fix
    assert half.fix.title.endswith("unless a cast to fp16 made them so: then load them in fp32 or bf16")


@pytest.mark.parametrize(
    ("producer", "title"),
    [
        (
            "inf unet.a BF16 | reaches unet | autocast",
            "look at what goes into unet.a, and scale or clip it: bf16 reaches as far as fp32",
        ),
        ("inf unet.a BF16 | reaches unet", "look at what goes into unet.a, and scale or clip it: bf16 reaches as far as fp32"),
        ("inf unet.a F16 | reaches unet | autocast", "call unet outside of autocast"),
        ("nan unet.a BF16 | largest 2e18 | reaches unet | autocast", "call unet outside of autocast"),
        ("inf unet.a BF16 | reaches unet | autocast | replay precision", "call unet outside of autocast"),
    ],
)
def test_autocast_is_left_only_for_a_dtype_that_reaches_further(producer: str, title: str) -> None:
    found = one(f"producer: {producer}")
    assert found.fix
    assert found.fix.title.startswith(title)


@pytest.mark.parametrize(
    ("replay", "because", "title"),
    [
        (
            "precision largest 213000 needs 3.25",
            "run again in fp32 it is finite, largest 213,000: it needs 3.25 times the range of fp16",
            "run unet in bf16, which has the range, and cast what goes into it",
        ),
        (
            "kernel switch pipe.disable_xformers_memory_efficient_attention()",
            "run again in fp16 with reference kernels it is finite: the kernel is at fault, not the dtype",
            "pipe.disable_xformers_memory_efficient_attention()",
        ),
        ("not numeric", "run again in fp32 it is not finite either: no matter of dtype", None),
        (
            "kernel not excluded largest 12 switch flash attention cannot be bypassed",
            "run again in fp32 it is finite, largest 12; the kernel is not excluded (flash attention cannot be bypassed)",
            "run unet in bf16, which has the range, and cast what goes into it",
        ),
    ],
)
def test_what_confirm_found_decides_the_cause_and_the_fix(replay: str, because: str, title: str | None) -> None:
    found = one(f"producer: inf unet.a F16 | reaches unet | replay {replay}")
    assert found.because == because
    assert (found.fix.title if found.fix else None) == title


def test_a_line_between_components_is_named_and_is_the_other_witness() -> None:
    found = one("producer: inf - F16 | glue serve.py:12 | reaches unet")
    assert found.against == Where("serve.py", line=12)
    assert found.where == Where("serve.py")
    assert found.fix
    assert found.fix.title == "compute it in float32 at serve.py:12, and cast back after it"


def test_many_modules_of_one_component_are_one_finding_at_the_first() -> None:
    lines = "\n".join(f"producer: inf text_encoder.block.{n}.wo F16 | killed by text_encoder.block.{n}" for n in range(12))
    found = one(lines)
    assert found.message.startswith("text_encoder.block.0.wo (fp16) overflowed")
    assert found.because == "so did 11 more: text_encoder.block.1.wo, text_encoder.block.2.wo and ..."


def test_what_reached_an_output_and_what_was_killed_are_two_findings() -> None:
    lines = "producer: inf unet.a F16 | killed by unet.b\nproducer: nan unet.c F16 | reaches unet"
    assert [(f.severity, f.where.at) for f in sorted(of_run(lines), key=lambda f: f.key)] == [
        ("error", "unet.c"),
        ("warning", "unet.a"),
    ]


def test_the_step_and_how_often_it_happened_are_told_where_there_were_several() -> None:
    found = one("steps: unet 50\nproducer: nan unet.a F16 at step 3 | 48 times | reaches unet")
    assert found.because == "first in call 3 of 50, in 48 of them"
    assert one("steps: unet 1\nproducer: nan unet.a F16 | reaches unet").because == ""


def test_the_operator_and_the_place_inside_a_module_are_told_where_they_are_known() -> None:
    found = one("producer: nan unet.a F16 | in aten.div | inside unet.a.norm | reaches unet")
    assert "unet.a (fp16) gave NaN in aten.div: inputs finite" in found.message
    assert found.because == "it came about in its own code, before unet.a.norm"
