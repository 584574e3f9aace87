"""The rules on numbers of a watched run that are cut, near their limit, killed or rounded, and on its pictures."""

from __future__ import annotations

import pytest

from .run_numbers import fix, of_run, one

# DT308, DT309, DT310


def test_clipped_numbers_are_a_warning_that_names_the_limit() -> None:
    found = one("producer: saturated transformer.a F16 | reaches transformer\nproducer: saturated transformer.b F16")
    assert (found.code, found.severity) == ("DT308", "warning")
    assert found.message == (
        "transformer.a and 1 more stand at the limit of fp16, 65,504: the numbers were clipped there, finite and yet wrong"
    )


def test_the_least_room_of_a_component_is_one_note() -> None:
    found = one(
        "module: vae.a Conv2d F16->F16 | largest 40000\nmodule: vae.b Conv2d F16->F16 | largest 58112\n"
        "module: vae.c Conv2d F16->F16 | largest 1"
    )
    assert (found.code, found.severity) == ("DT309", "note")
    assert found.message == "vae.b reached 58,112 of 65,504 in fp16; 1 more came within a factor of two"


def test_a_component_that_overflowed_is_not_told_of_its_room_too() -> None:
    rows = "module: vae.a Conv2d F16->F16 | largest 58112\nmodule: unet.a Conv2d F16->F16 | largest 58112\n"
    assert [f.code for f in of_run(f"{rows}producer: inf vae.b F16 | reaches vae") if f.component == "vae"] == ["DT307"]
    assert [f.code for f in of_run(f"{rows}producer: underflow vae.b F16") if f.component == "vae"] == ["DT310", "DT309"]


def test_zeros_alone_are_a_warning_with_the_smallest_number() -> None:
    found = one("producer: underflow unet.a F16 | largest 0.0001")
    assert (found.code, found.severity) == ("DT310", "warning")
    assert found.message == ("unet.a gave nothing but zeros in fp16, whose smallest number is 5.96e-08 (inputs up to 0.0001)")


# DT311, DT312, DT313


def test_a_picture_without_a_known_cause_is_an_error_that_says_how_to_see_more() -> None:
    found = one("picture: nan 1 of 1 at save black | file out.png")
    assert (found.code, found.severity) == ("DT311", "error")
    assert found.fix
    assert found.fix.title == "watch it again with --level op, which sees every operator"
    compiled = one("limit: unet is compiled: it is seen as one module\npicture: nan 1 of 1").fix
    assert compiled
    assert compiled.title == "watch it again with --eager, so that compiled modules are seen"


def test_a_bad_picture_of_a_run_in_fp32_is_a_warning() -> None:
    assert one("module: unet.a Linear F32->F32 | weights F32\npicture: nan 1 of 1").severity == "warning"
    assert one("module: unet.a Linear F32->F32 | weights F16\npicture: nan 1 of 1").severity == "error"


def test_what_the_safety_checker_blanked_and_what_is_one_colour_are_notes() -> None:
    blanked = one("picture: safety-checker 1 of 2\npicture: ok 2 of 2")
    assert (blanked.code, blanked.severity) == ("DT312", "note")
    assert blanked.message == "image 1 of 2 is black because the safety checker blanked it; the numbers were finite"
    plain = one("picture: uniform 1 of 1 at save grey 128")
    assert (plain.code, plain.severity) == ("DT313", "note")
    assert plain.message.startswith("image 1 of 1 is grey 128 all over, of numbers that were finite")


# DT319


@pytest.mark.parametrize(
    ("line", "severity", "words"),
    [
        ("unet F16 0.009", "note", "unet in fp16 is 0.9 % off what it gives in fp32"),
        (
            "unet F16 0.1 | first unet.mid 0.04",
            "warning",
            "unet in fp16 is 10 % off what it gives in fp32; the first to depart is unet.mid (4 %)",
        ),
        ("unet BF16 0.07", "note", "unet in bf16 is 7 % off"),
        ("unet F16 inf", "warning", "unet in fp16 is wholly off what it gives in fp32"),
        ("unet F16 nan", "warning", "unet in fp16 is wholly off what it gives in fp32"),
    ],
)
def test_more_than_rounding_is_a_note_and_a_tenth_a_warning(line: str, severity: str, words: str) -> None:
    found = one(f"departure: {line}")
    assert (found.code, found.severity) == ("DT319", severity)
    assert found.message.startswith(words)


def test_a_bf16_component_that_departs_needs_digits_not_range() -> None:
    assert fix("departure: transformer BF16 0.2") == "run transformer in fp16 or fp32, which have more digits"
    assert fix("departure: vae BF16 0.2") == "run vae in fp32, which has more digits"
