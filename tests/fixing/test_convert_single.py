"""Single files and adapters in another dtype."""

# ruff: noqa: E501 - a file of the notation is one line

from __future__ import annotations

from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.edits import Store
from dtypecheck.fixing.convert import Wish
from dtypecheck.fixing.overlay import after
from dtypecheck.knowledge import Knowledge
from dtypecheck.testing.files import lay_out

from .convert_cases import SHARDED, T5, names, of_kind, one, stored, why

CHECKPOINT = """
v1.safetensors: alphas_cumprod F32 10; cond_stage_model.transformer.text_model.final_layer_norm.weight F32 4; first_stage_model.decoder.conv_in.weight F32 4x4; model.diffusion_model.input_blocks.0.0.weight F32 4x4; model.diffusion_model.output_blocks.11.0.skip_connection.weight F32 4x4; model_ema.decay F32 -; model_ema.diffusion_modelinput_blocks00weight F32 4x4; model_ema.num_updates I32 -
"""

LORA = """
lora.safetensors: lora_unet_a.alpha F32 -; lora_unet_a.lora_down.weight F32 4x8; lora_unet_a.lora_up.weight F32 8x4
"""


def test_a_whole_checkpoint_is_cast_but_for_its_schedule_and_the_state_of_its_average(known: Knowledge) -> None:
    step = one(CHECKPOINT, Wish(F16), known)
    found = stored(after(lay_out(CHECKPOINT).files, step.edits), "v1.safetensors")
    assert {key for key, dtype in found.items() if dtype == "F32"} == {"alphas_cumprod", "model_ema.decay"}
    assert found["model_ema.num_updates"] == "I32"
    assert found["model_ema.diffusion_modelinput_blocks00weight"] == "F16"
    assert step.place == "v1.safetensors"


def test_widened_it_is_wide_throughout(known: Knowledge) -> None:
    step = one(CHECKPOINT.replace("F32", "F16"), Wish(F32), known)
    found = stored(after(lay_out(CHECKPOINT.replace("F32", "F16")).files, step.edits), "v1.safetensors")
    assert set(found.values()) == {"F32", "I32"}
    assert step.lossless


def test_one_component_of_a_checkpoint_is_cast_and_the_rest_is_as_it_was(known: Knowledge) -> None:
    step = one(CHECKPOINT, Wish(BF16, components=("vae",)), known)
    before = stored(lay_out(CHECKPOINT).files, "v1.safetensors")
    found = stored(after(lay_out(CHECKPOINT).files, step.edits), "v1.safetensors")
    assert {key for key in found if found[key] != before[key]} == {"first_stage_model.decoder.conv_in.weight"}
    assert step.change == "fp32 -> bf16, 1 tensor in vae"
    (unet,) = of_kind(one(CHECKPOINT, Wish(BF16, components=("unet",)), known), Store)
    assert [take.pattern for take in unet.takes if take.dtype] == [r"^(?:model\.)"]


def test_a_component_that_is_not_there_is_refused_with_those_that_are(known: Knowledge) -> None:
    assert "there is text_encoder, vae, unet, ema" in why(CHECKPOINT, Wish(BF16, components=("transformer",)), known).why


def test_t5_in_a_bundle_keeps_what_the_library_keeps(known: Knowledge) -> None:
    text = """
flux.safetensors: double_blocks.0.img_attn.norm.key_norm.scale BF16 8; text_encoders.t5xxl.transformer.encoder.block.0.layer.1.DenseReluDense.wo.weight BF16 4x4; text_encoders.t5xxl.transformer.shared.weight BF16 4x4; wo.other BF16 4
"""
    found = stored(after(lay_out(text).files, one(text, Wish(F16), known).edits), "flux.safetensors")
    assert {key: dtype for key, dtype in found.items() if dtype != "F16"} == {
        "text_encoders.t5xxl.transformer.encoder.block.0.layer.1.DenseReluDense.wo.weight": "F32"
    }


def test_a_lora_is_cast_and_its_alphas_are_kept(known: Knowledge) -> None:
    step = one(LORA, Wish(BF16), known)
    found = stored(after(lay_out(LORA).files, step.edits), "lora.safetensors")
    assert found == {"lora_unet_a.alpha": "F32", "lora_unet_a.lora_down.weight": "BF16", "lora_unet_a.lora_up.weight": "BF16"}
    assert "already bf16" in why(LORA.replace("weight F32", "weight BF16"), Wish(BF16), known).why


def test_clamping_is_handed_on_to_every_file(known: Knowledge) -> None:
    for text in (LORA, CHECKPOINT, SHARDED, T5):
        assert all(store.clamp for store in of_kind(one(text, Wish(F16, clamp=True), known), Store))
        assert not any(store.clamp for store in of_kind(one(text, Wish(F16), known), Store))


def test_a_peft_folder_is_converted_under_its_name(known: Knowledge) -> None:
    text = """
adapter_config.json: {"peft_type": "LORA"}
adapter_model.safetensors: base_model.model.q.lora_A.weight F32 4x8; base_model.model.q.lora_B.weight F32 8x4
"""
    step = one(text, Wish(BF16), known)
    assert names(after(lay_out(text).files, step.edits)) == names(lay_out(text).files)
    assert set(stored(after(lay_out(text).files, step.edits), "adapter_model.safetensors").values()) == {"BF16"}


def test_a_packed_part_of_a_bundle_is_refused_and_the_others_are_offered(known: Knowledge) -> None:
    text = CHECKPOINT.replace(
        "first_stage_model.decoder", "model.diffusion_model.a.scale_weight F32 -; first_stage_model.decoder"
    )
    no = why(text, Wish(F16), known)
    assert "quantised (fp8)" in no.why
    assert "--component vae" in no.offers
    assert "--component unet" not in no.offers
    assert one(text, Wish(F16, components=("vae",)), known).change == "fp32 -> fp16, 1 tensor in vae"


def test_a_single_file_has_no_variants(known: Knowledge) -> None:
    assert "no variants" in why(LORA, Wish(F16, variant="fp16"), known).why
