"""The rules on runs: what is by design is silent, the crash is told in one line, and a fix is one that was rehearsed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.engine import judge_run, report_runs
from dtypecheck.findings import Finding, Where
from dtypecheck.knowledge import Knowledge
from dtypecheck.subjects import Request
from dtypecheck.subjects.shown import Event, Operand, Run
from dtypecheck.testing import findings, lay_out

SDXL = """
$ --dtype float16,text_encoder_2=float32
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
text_encoder_2/config.json: {"architectures": ["CLIPTextModelWithProjection"]}
text_encoder_2/model.safetensors: text_projection.weight F32 4x4
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": true}
vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
"""  # noqa: E501
LINEAR = (
    "crash: unet.add_embedding.linear_1 linear in denoise"
    " | input F32 text_encoder_2 (prompt_embeds) at diffusers/pipelines/y.py:7"
    " | weight F16 unet.add_embedding.linear_1.weight"
    " | says mat1 and mat2 must have the same dtype, but got Float and Half"
    " | glue diffusers/pipelines/x.py:1214"
)


def of_run(text: str) -> list[Finding]:
    return [finding for finding in findings(text) if finding.code.startswith("DT3")]


def one(text: str) -> Finding:
    (finding,) = of_run(text)
    return finding


# what must be left alone


@pytest.mark.parametrize("kind", ["promoted", "island", "rotary", "autocast"])
def test_what_a_library_does_by_design_is_silent_for_every_kind(kind: str, known: Knowledge) -> None:
    event = Event(kind, "unet.mid", "add", (F16, F32), F16, "text_encoder", 9, 9, 9)
    assert judge_run(Run("rehearsed", "runs", "cuda", events=(event,)), known)
    assert judge_run(Run("rehearsed", "runs", "cuda", events=(replace(event, by_design=True),)), known) == []


def test_a_run_that_runs_says_nothing(known: Knowledge) -> None:
    assert judge_run(Run("rehearsed", "runs", "cuda"), known) == []
    assert judge_run(Run("watched", "runs", "cuda"), known) == []


def test_the_files_of_a_pipeline_that_ran_are_left_to_a_scan(known: Knowledge) -> None:
    text = SDXL + "run: runs on cuda"
    assert {finding.code[:3] for finding in findings(text)} == {"DT1"}
    assert of_run(text) == []


# DT301


def test_a_crash_names_module_dtypes_maker_and_stage_in_its_first_line() -> None:
    found = one(SDXL + f"run: crashes on cuda\n{LINEAR}")
    assert found.message == (
        "unet.add_embedding.linear_1 has fp16 weights and is given fp32 from text_encoder_2 (prompt_embeds): "
        "the call crashes in the denoising loop"
    )
    assert (found.code, found.severity) == ("DT301", "error")
    assert found.where == Where("unet/config.json", "unet.add_embedding.linear_1")
    assert found.against == Where("text_encoder_2/model.safetensors", "text_encoder_2")
    assert found.says == "mat1 and mat2 must have the same dtype, but got Float and Half"
    assert found.because == (
        "diffusers/pipelines/x.py:1214 calls unet; the fp32 was made at diffusers/pipelines/y.py:7; "
        "loaded are text_encoder_2 in fp32 and unet in fp16"
    )
    assert (found.pipeline, found.component, found.also) == (".", "unet", ("text_encoder_2",))


def test_a_crash_that_nobody_confirmed_on_the_device_is_a_warning_that_says_so() -> None:
    found = one(SDXL + f"run: crashes on mps\n{LINEAR} | not confirmed")
    assert found.severity == "warning"
    assert found.message.endswith("the call crashes in the denoising loop (expected, not confirmed on mps)")


def test_the_line_of_the_script_is_the_other_witness() -> None:
    assert one(SDXL + f"run: watched crashes on cuda\n{LINEAR} | script serve.py:31").against == Where("serve.py", line=31)


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        ("vae.conv conv2d | input F16 unet (z) | bias F32", "vae.conv has an fp32 bias and is given fp16 from unet (z): "),
        ("vae.norm layer_norm | input F16 | weight F16 | bias BF16", "vae.norm has fp16 weights and a bf16 bias: the call"),
        ("vae.n norm | input F32 | weight F32 | bias F16 | says x", "vae.n has fp32 weights and an fp16 bias"),
        (
            "t.attn scaled_dot_product_attention | query F32 t.q.weight | key F32 | mask F16 the argument attention_mask",
            "scaled_dot_product_attention in t.attn is given fp32 query from t.q.weight, fp32 key and "
            "fp16 mask from the argument attention_mask: ",
        ),
        ("- numpy in decode | input BF16 vae | glue x.py:3", "numpy in x.py:3 is given bf16 from vae, which cuda refuses: "),
        (
            "- where | input F16 args | glue x.py:3 | says value cannot be converted to type at::Half without overflow",
            "x.py:3 is given a number that does not fit fp16: ",
        ),
        ("vae.conv conv2d | says Input type and bias type", 'vae.conv raises "Input type and bias type": the call crashes'),
    ],
)
def test_whoever_met_is_told_in_words_that_fit(crash: str, words: str) -> None:
    assert one(f"run: crashes on cuda\ncrash: {crash}").message.startswith(words)


def test_a_crash_between_components_points_to_the_pipeline_s_own_file() -> None:
    found = one(SDXL + "run: crashes on cpu\ncrash: - numpy in decode | input BF16 vae | glue diffusers/x.py:3")
    assert (found.where, found.component) == (Where("model_index.json"), "")
    assert found.against == Where("vae/diffusion_pytorch_model.safetensors", "vae")


def test_the_fix_is_the_request_that_was_rehearsed_and_runs() -> None:
    found = one(SDXL + f"run: crashes on cuda\n{LINEAR}\nremedy: float16 crashes\nremedy: bfloat16 runs\nremedy: float32 runs")
    assert found.fix
    assert found.fix.verified
    assert found.fix.title == (
        "load all of it in bf16: StableDiffusionXLPipeline.from_pretrained(MODEL, torch_dtype=torch.bfloat16)"
    )
    mixed = one(SDXL + f"run: crashes on cuda\n{LINEAR}\nremedy: bfloat16,vae=float32 runs").fix
    assert mixed
    assert mixed.title == "load text_encoder_2, unet in bf16 and vae in fp32"


def test_a_request_that_is_not_safe_is_taken_only_when_no_other_runs(known: Knowledge) -> None:
    shown = lay_out(f"run: crashes on cuda\n{LINEAR}\nremedy: float16 runs\nremedy: float32 runs").shown
    assert shown
    run = shown.run(None)
    unsafe, safe = replace(run.remedies[0], safe=False, note="vae is documented bad in fp16"), run.remedies[1]

    def title(*remedies: object) -> str | None:
        (finding,) = judge_run(replace(run, remedies=remedies), known)  # type: ignore[arg-type]
        return finding.fix and finding.fix.title

    assert title(unsafe, safe) == "load all of it in fp32"
    assert title(unsafe) == "load all of it in fp16 (vae is documented bad in fp16)"


def test_without_a_request_that_runs_there_is_no_fix_and_it_says_which_were_tried() -> None:
    found = one(SDXL + f"run: crashes on cuda\n{LINEAR}\nremedy: float16 crashes\nremedy: float32 unknown")
    assert found.fix is None
    assert found.because.endswith("rehearsed too, and none of them runs: all of it in fp16 and fp32")


def test_where_nothing_was_rehearsed_the_usual_request_is_offered_and_not_called_verified() -> None:
    fix = one(SDXL + f"run: crashes on cuda\n{LINEAR}").fix
    assert fix
    assert not fix.verified
    assert fix.title.startswith("load all of it in fp16: StableDiffusionXLPipeline.from_pretrained(")


def test_a_fix_is_never_what_is_loaded_already() -> None:
    same = SDXL.replace("float16,text_encoder_2=float32", "float16") + f"run: crashes on cuda\n{LINEAR}"
    fix = next(finding.fix for finding in of_run(same))
    assert fix
    assert fix.title.startswith("load all of it in fp32: ")
    wide = SDXL.replace("float16,text_encoder_2=float32", "float32") + f"run: crashes on cuda\n{LINEAR}"
    other = next(finding.fix for finding in of_run(wide))
    assert other is None or "in fp32" not in other.title


def test_the_fingerprint_of_a_crash_outlives_lines_and_messages(known: Knowledge) -> None:
    def fingerprint(text: str) -> str:
        return one(SDXL + f"run: crashes on cuda\n{text}").fingerprint

    assert fingerprint(LINEAR) == fingerprint(LINEAR.replace("x.py:1214", "x.py:1300").replace("says mat1", "says matrix"))
    assert fingerprint(LINEAR) != fingerprint(LINEAR.replace("input F32", "input BF16"))
    assert len(fingerprint(LINEAR)) == 64


# DT302


def test_promotions_by_one_tensor_are_one_finding_that_adds_their_bytes() -> None:
    text = "run: runs on cuda\n" + "".join(
        f"event: promoted unet.down.{i} add F16+F32->F32 | by the argument latents (sample) | 1500000 bytes"
        f" | {9 - i} downstream\n"
        for i in range(3)
    )
    found = one(text)
    assert found.message == (
        "unet.down.0 and 2 more go on in fp32: fp16 meets fp32 from the argument latents (sample) (add); "
        "9 modules behind it run wide, 4 MB more for what the operators give"
    )
    assert found.severity == "warning"
    assert found.fix
    assert found.fix.title == "pass argument latents in fp16"
    other = text + "event: promoted vae.decoder add F16+F32->F32 | by the argument latents (sample)\n"
    assert len(of_run(other)) == 2


def test_a_component_that_brings_the_wide_tensor_is_the_other_witness_and_the_fix() -> None:
    event = "event: promoted unet.mid add F16+F32->F32 | by text_encoder_2 (encoder_hidden_states)"
    found = one(f"{SDXL}run: runs on cuda\n{event}")
    assert found.against == Where("text_encoder_2/model.safetensors", "text_encoder_2")
    assert found.fix
    assert found.fix.title == "load text_encoder_2 in fp16 too"
    assert (found.component, found.also) == ("unet", ("text_encoder_2",))


def test_a_promotion_by_the_tensor_that_then_crashes_is_left_to_the_crash() -> None:
    event = "event: promoted unet.conv_in add F16+F32->F32 | by text_encoder_2 (prompt_embeds)"
    assert [f.code for f in of_run(f"{SDXL}run: crashes on cuda\n{LINEAR}\n{event}")] == ["DT301"]
    other = event.replace("(prompt_embeds)", "(add_text_embeds)")
    assert [f.code for f in of_run(f"{SDXL}run: crashes on cuda\n{LINEAR}\n{other}")] == ["DT301", "DT302"]


# DT303, DT304, DT305

WAN = """
$ --dtype bfloat16
config.json: {"_class_name": "WanTransformer3DModel"}
diffusion_pytorch_model.safetensors: proj_out.weight F32 4x4
run: runs on cuda
"""


@pytest.mark.parametrize(("module", "severity"), [("blocks.3.norm2", "warning"), ("proj_out", "note")])
def test_a_part_that_the_class_does_not_keep_is_a_note_only(module: str, severity: str) -> None:
    found = one(f"{WAN}event: island {module} layer_norm BF16->BF16")
    assert (found.code, found.severity) == ("DT303", severity)
    assert ("WanTransformer3DModel" in found.because) == (severity == "warning")


def test_parts_of_one_component_are_one_finding() -> None:
    found = one(WAN + "".join(f"event: island blocks.{i}.norm2 layer_norm BF16->BF16\n" for i in range(40)))
    assert found.message == "blocks.0.norm2 and 39 more ran in bf16; from_pretrained keeps them in fp32"


@pytest.mark.parametrize(("module", "severity"), [("rope", "warning"), ("pos_embed", "note")])
def test_positions_in_half_are_a_warning_where_the_class_keeps_the_table(module: str, severity: str) -> None:
    found = one(f"{WAN}event: rotary {module} mul BF16->BF16")
    assert (found.code, found.severity) == ("DT304", severity)
    assert found.message.endswith("only up to 256")
    assert one(f"{WAN}event: rotary {module} mul F16->F16").message.endswith("only up to 2,048")


def test_a_half_vae_inside_autocast_is_as_bad_as_the_vae_is_documented_to_be() -> None:
    text = "run: watched runs on t4\nevent: autocast vae.decoder.conv_in conv2d F32->F16"
    found = one(SDXL + text)
    assert (found.code, found.severity) == ("DT305", "error")
    assert found.because
    assert found.fix
    assert 'torch.autocast("cuda", enabled=False)' in found.fix.title
    assert one(text).severity == "warning"
    assert one(SDXL.replace("0.13025", "0.18215") + text).severity == "note"


# DT306


def test_an_undecided_run_is_a_note_that_says_where_and_why() -> None:
    found = one(f"{SDXL}run: unknown on cuda\nstopped: unet.router: nonzero needs numbers")
    assert (found.code, found.severity, found.component) == ("DT306", "note", "unet")
    assert found.message == "the rehearsal ended undecided in unet.router: nonzero needs numbers"
    assert found.where == Where("unet/config.json", "unet.router")


# the road to a report


def test_a_report_on_runs_holds_light_pipelines_and_events_that_still_know_their_run(known: Knowledge) -> None:
    shown = lay_out("run: runs on cuda\nevent: island unet.norm layer_norm F16->F16\nweights: unet 12").shown
    assert shown
    run = shown.run(None)
    report = report_runs((run, run), known, Request(device="cuda"), "x")
    assert [f.code for f in report.findings] == ["DT303", "DT303"]
    assert report.findings[1].fingerprint == report.findings[0].fingerprint + "#2"
    assert report.seen["rehearsals"] == 2
    assert report.runs[1].events[0].run is report.runs[1]


def test_an_operand_without_a_maker_is_told_without_one(known: Knowledge) -> None:
    text = "run: crashes on cuda\ncrash: unet.x linear | input BF16 | weight F16"
    assert one(text).message == "unet.x has fp16 weights and is given bf16: the call crashes"
    shown = lay_out(text).shown
    assert shown
    crash = shown.run(None).crash
    assert crash
    assert crash.operands == (Operand("input", BF16), Operand("weight", F16))
