"""Tiny models and pipelines of the real classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import diffusers
import torch
import transformers

Module = torch.nn.Module


def clip(projection: bool = False) -> Module:
    config = transformers.CLIPTextConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, projection_dim=16,
        max_position_embeddings=12, bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    return (transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel)(config)


def whole_clip() -> Module:
    """A composite config: `text_config` and `vision_config` below, the dtype on top."""
    text = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 8,
        "patch_size": 4,
    }
    return transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))


def safety_checker() -> Module:
    """A transformers model that diffusers defines."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    config = whole_clip().config
    config._attn_implementation = "eager"
    return StableDiffusionSafetyChecker(config)


def t5(klass: str = "T5EncoderModel") -> Module:
    made = getattr(transformers, klass)
    config = made.config_class(
        vocab_size=50,
        d_model=16,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return made(config)


def gemma2() -> Module:
    config = transformers.Gemma2Config(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return transformers.Gemma2Model(config)


def ernie() -> Module:
    """A list of names to keep in which `gate` stands between dots (transformers 4) or is a pattern over a dot (5)."""
    config = transformers.Ernie4_5_MoeConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        moe_intermediate_size=8, moe_num_experts=2, moe_k=1, moe_num_shared_experts=1, moe_layer_start_index=1,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.Ernie4_5_MoeForCausalLM(config)


def kl(latents: int = 4) -> Module:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16), norm_num_groups=4, latent_channels=latents, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    )  # fmt: skip


def unet(xl: bool) -> Module:
    of_xl = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64}
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, norm_num_groups=4, cross_attention_dim=32 if xl else 16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=2, use_linear_projection=xl, **(of_xl if xl else {}),
    )  # fmt: skip


def sdxl() -> Any:
    return diffusers.StableDiffusionXLPipeline(
        kl(), clip(), clip(projection=True), None, None, unet(xl=True), diffusers.EulerDiscreteScheduler(), add_watermarker=False
    )


def sd15() -> Any:
    return diffusers.StableDiffusionPipeline(
        kl(),
        clip(),
        None,
        unet(xl=False),
        diffusers.EulerDiscreteScheduler(steps_offset=1),
        None,
        None,
        requires_safety_checker=False,
    )


def sd3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8, num_layers=2, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=16,
        caption_projection_dim=16, pooled_projection_dim=32, in_channels=4, out_channels=4, pos_embed_max_size=8,
    )  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    encoders = (clip(projection=True), None, clip(projection=True), None, t5(), None)
    return diffusers.StableDiffusion3Pipeline(transformer, scheduler, kl(), *encoders)


def wan() -> Any:
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=16,
        freq_dim=16, ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.WanPipeline(None, t5("UMT5EncoderModel"), vae, scheduler, transformer)


def flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.FluxPipeline(scheduler, kl(1), clip(), None, t5(), None, transformer)


def pixart() -> Any:
    transformer = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, norm_num_groups=4,
        cross_attention_dim=16, sample_size=8, patch_size=2, caption_channels=16, use_additional_conditions=False,
    )  # fmt: skip
    return diffusers.PixArtSigmaPipeline(None, t5(), kl(), transformer, diffusers.DDIMScheduler())


def sana() -> Any:
    transformer = diffusers.SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=1, num_cross_attention_heads=2,
        cross_attention_head_dim=8, cross_attention_dim=16, caption_channels=16, sample_size=8, patch_size=1,
    )  # fmt: skip
    vae = diffusers.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"), encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8), encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1), downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm", decoder_act_fns="silu",
    )  # fmt: skip
    return diffusers.SanaPipeline(None, gemma2(), vae, transformer, diffusers.FlowMatchEulerDiscreteScheduler())


PIPELINES: Final[Mapping[str, Callable[[], Any]]] = {
    "sdxl": sdxl, "sd15": sd15, "sd3": sd3, "wan": wan, "flux": flux, "pixart": pixart, "sana": sana,
}  # fmt: skip


def modules(pipeline: Any) -> dict[str, Module]:
    return {name: part for name, part in pipeline.components.items() if isinstance(part, Module)}


MODELS: Final[Mapping[str, Callable[[], Module]]] = {
    "clip": clip,
    "clip_projection": partial(clip, projection=True),
    "whole_clip": whole_clip,
    "t5": t5,
    "t5_tied": partial(t5, "T5ForConditionalGeneration"),
    "umt5": partial(t5, "UMT5EncoderModel"),
    "gemma2": gemma2,
    "ernie": ernie,
    "safety_checker": safety_checker,
    "kl": kl,
    "unet": partial(unet, xl=False),
    "flux_transformer": lambda: flux().transformer,
    "wan_transformer": lambda: wan().transformer,
    "wan_vae": lambda: wan().vae,
    "dc": lambda: sana().vae,
}
