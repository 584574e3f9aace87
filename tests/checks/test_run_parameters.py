"""The rules on what a watched run's parameters are in, on training, and on healing."""

from __future__ import annotations

import pytest

from dtypecheck.findings import Finding, Where
from dtypecheck.testing import findings

RUN = "run: watched runs on cuda\nscript: train.py\n"


def of_run(text: str, run: str = RUN) -> list[Finding]:
    return findings(run + text)  # type: ignore[return-value]


def one(text: str, run: str = RUN) -> Finding:
    (finding,) = of_run(text, run)
    return finding


# DT314


def test_mixed_parameters_are_one_warning_a_component() -> None:
    found = one("event: mixed unet.a - F16+F32\nevent: mixed unet.b - F16+F32\nevent: mixed unet.c - F16+F32")
    assert (found.code, found.severity, found.component) == ("DT314", "warning", "unet")
    assert found.message == "unet.a and 2 more hold parameters in fp16 and fp32"
    assert found.fix
    assert found.fix.title == "bring its parameters into one dtype: unet.a.to(torch.float16)"


def test_the_module_that_crashed_is_not_told_as_mixed_too() -> None:
    crashed = "run: watched crashes on cuda\ncrash: unet.a conv2d | input F16 the argument x | bias F32 unet.a.bias\n"
    assert [f.code for f in of_run("event: mixed unet.a - F16+F32", crashed)] == ["DT301"]
    assert [f.code for f in of_run("event: mixed unet.b - F16+F32", crashed)] == ["DT301", "DT314"]


# DT315


def test_weights_that_autocast_casts_are_a_note_with_the_price() -> None:
    found = one("event: lowered unet.a conv2d F32->BF16\nevent: lowered unet.b conv2d F32->BF16")
    assert (found.code, found.severity) == ("DT315", "note")
    assert found.message == "unet.a and 1 more run in bf16 with weights in fp32"
    assert found.fix
    assert "torch_dtype=torch.bfloat16" in found.fix.title


def test_a_norm_that_only_a_cpu_takes_is_told_as_that() -> None:
    found = one("event: lowered unet.norm layernorm F32->F16")
    assert found.because == "the CPU takes a half input with fp32 weights here, a GPU refuses it"
    assert found.fix
    assert found.fix.title == "unet.norm.to(torch.float16), or give it float32"


def test_a_vae_inside_autocast_is_told_once() -> None:
    lines = "event: autocast vae.a conv2d F32->F16\nevent: lowered vae.b groupnorm F32->F16"
    assert [f.code for f in of_run(lines)] == ["DT305"]


# DT316


def test_a_scaler_on_fp16_says_what_will_be_raised_and_on_bf16_that_it_is_not_needed() -> None:
    found = one("event: scaler unet.lora_A GradScaler F16 | by train.py:31\nevent: scaler unet.lora_B GradScaler F16")
    assert (found.code, found.severity, found.against) == ("DT316", "warning", Where("train.py", line=31))
    assert found.message == "a GradScaler steps fp16 parameters: unet.lora_A and 1 more"
    assert found.says == "Attempting to unscale FP16 gradients."
    assert one("event: scaler unet.x GradScaler BF16").because == "bf16 has the range of fp32 and needs no scaling"


# DT317


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        ("AdamW F16 | by train.py:40 eps 1e-08", "warning"),
        ("AdamW F16+F16 | by train.py:40 eps 1e-08", "warning"),
        ("AdamW F16+F32 | by train.py:40 eps 1e-08", "note"),  # states in float32, as 8-bit and apex optimizers keep them
        ("AdamW F16+F16 | by train.py:40 eps 1e-08 fused", "note"),
        ("AdamW F16+F16 | by train.py:40 eps 1e-04", "note"),
        ("AdamW F16+F16 | by train.py:40 eps 2.9e-08", "warning"),
        ("AdamW F16+F16 | by train.py:40 eps 3e-08", "note"),
        ("AdamW BF16+BF16 | by train.py:40 eps 1e-08", "note"),
        ("SGD F16 | by train.py:40", "note"),
    ],
)
def test_an_optimizer_on_half_is_a_warning_only_where_its_epsilon_vanishes(event: str, severity: str) -> None:
    found = one(f"event: optimizer unet.a {event}")
    assert (found.code, found.severity) == ("DT317", severity)
    assert ("is zero in fp16" in found.message) == (severity == "warning")


def test_parameters_that_became_nan_are_an_error_with_the_step_and_the_cause() -> None:
    found = one(
        "event: optimizer-nan te.embed AdamW F16+F16 | by train.py:40 exp_avg_sq in step 3, as its gradient was | 3 times"
    )
    assert (found.code, found.severity, found.against) == ("DT317", "error", Where("train.py", line=40))
    assert found.message == "te.embed (fp16) is not finite any more after step 3 of AdamW: it trains nothing from here on"
    assert found.because == "its exp_avg_sq went first; its gradient was not finite: an overflow in the backward pass"
    plain = one("event: optimizer-nan te.embed AdamW F16 | by train.py:40 the parameter in step 1")
    assert plain.because == "an update below 0.049 % of a parameter is rounded away in fp16"


def test_what_became_nan_is_not_told_as_half_too_and_other_components_are() -> None:
    lines = (
        "event: optimizer te.a AdamW F16 | by eps 1e-08\nevent: optimizer unet.a AdamW F16 | by eps 1e-08\n"
        "event: optimizer-nan te.a AdamW F16 | by train.py:40"
    )
    assert sorted((f.severity, f.component) for f in of_run(lines)) == [("error", "te"), ("warning", "unet")]


def test_parameters_without_a_name_are_told_as_such() -> None:
    assert "AdamW steps bf16 parameters: parameters of no module that was called" in one("event: optimizer - AdamW BF16").message


# DT318


def test_each_healing_is_a_warning_with_its_cost_and_the_change_that_makes_it_unnecessary() -> None:
    first, second = of_run(
        "healed: cast unet.linear F32->F16 | 12 times | cost 12 casts, 3 MB | instead load text_encoder in fp16\n"
        "healed: float32 vae.decoder.up F16->F32 | cost ran once in float32"
    )
    assert (first.code, first.severity, first.component) == ("DT318", "warning", "unet")
    assert first.message == ("unet.linear had its input cast from fp32 to fp16 12 times, or the run would not have gone on")
    assert first.because == "it cost 12 casts, 3 MB"
    assert first.fix
    assert first.fix.title == "load text_encoder in fp16"
    assert second.message == "vae.decoder.up was run in fp32 in place of fp16, or the run would not have gone on"
    assert second.fix is None


# DT301 and DT306 of watched runs


def test_a_watched_crash_says_why_the_dtypes_differ_and_what_the_watch_found_to_do() -> None:
    from dataclasses import replace

    from dtypecheck.engine import judge_run
    from dtypecheck.knowledge import Knowledge
    from dtypecheck.testing import lay_out

    shown = lay_out("run: watched crashes on cuda\nscript: serve.py\ncrash: unet.a linear | input F32 te (x) | weight F16").shown
    assert shown
    run = shown.run(None)
    assert run.crash
    crash = replace(run.crash, why="te was loaded at serve.py:14 without torch_dtype", remedy="pass torch_dtype at serve.py:14")
    (found,) = judge_run(replace(run, crash=crash), Knowledge())
    assert found.because == "te was loaded at serve.py:14 without torch_dtype"
    assert found.fix
    assert found.fix.title == "pass torch_dtype at serve.py:14"


def test_a_watched_script_that_stops_for_another_reason_is_no_finding() -> None:
    assert of_run("stopped: : KeyError: 'x' (train.py:3)", "run: watched unknown on cuda\n") == ()
