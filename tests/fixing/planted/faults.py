"""The faults that are planted: what is done to which model, how it shows, and what `dtypecheck fix` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import changes
from .changes import Change, all_of, config, stored


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    base: the model. plant: what spoils it. fix: options of `dtypecheck fix`, behind TARGET. shows: how a run goes before:
    "fails", "nan", "a picture" where only a scan sees it or nothing is wrong. code: the finding that a scan has before and not
    after. dtype, variant: what it is loaded with, before and after. kind: how it is loaded; "scan" is not run at all.
    quick: part of the default suite.
    """

    name: str
    base: str
    plant: Change
    fix: tuple[str, ...] = ()
    shows: str = "a picture"
    code: str = ""
    dtype: str | None = None
    variant: str | None = None
    kind: str = "pipeline"
    quick: bool = False


HOT: Final = changes.of_keys("vae", "decoder.up_blocks.0.resnets.1.conv2.weight", changes.largest)
"""A decoder that leaves the range of fp16, as that of SDXL does."""

DECLARED: Final = (
    Fault("sd: the text encoder declares float16 over float32 weights", "sd",
          config("text_encoder", dtype="float16"), (), "fails", "DT102"),
    Fault("sdxl: the second text encoder declares bfloat16 over float32 weights", "sdxl",
          config("text_encoder_2", dtype="bfloat16"), (), "fails", "DT102"),
    Fault("flux: T5 declares float16 over float32 weights", "flux",
          config("text_encoder_2", dtype="float16"), (), "fails", "DT102"),
    Fault("pixart: the old spelling torch_dtype narrows", "pixart",
          config("text_encoder", dtype=None, torch_dtype="float16"), (), "fails", "DT102", quick=True),
    Fault("sd3: bfloat16 weights beyond the range of float16, which is declared", "sd3",
          all_of(changes.of_keys("text_encoder", "token_embedding.weight", changes.beyond), stored("bf16", "text_encoder"),
                 config("text_encoder", dtype="float16")), (), "nan", "DT102"),
    Fault("sana: weights beyond the range of float16, which is declared", "sana",
          all_of(changes.of_keys("text_encoder", "v_proj.weight", changes.beyond), config("text_encoder", dtype="float16")),
          (), "nan", "DT102"),
    Fault("wan: weights beyond the range of float16, which is declared", "wan",
          all_of(changes.of_keys("text_encoder", "shared.weight", changes.beyond), config("text_encoder", dtype="float16")),
          (), "nan", "DT102"),
    Fault("sdxl: both text encoders are loaded in float16, the rest in float32", "sdxl",
          stored("fp16", "text_encoder", "text_encoder_2"), ("--select", "DT111"), "fails", "DT111"),
    Fault("flux: all is stored in bfloat16, and only the text encoders are loaded so", "flux",
          stored("bf16"), ("--select", "DT111"), "fails", "DT111"),
)  # fmt: skip

INDEXES: Final = (
    Fault("sd: the index of the variant has a name that nobody reads", "sd",
          all_of(changes.variant("fp16", "fp16", "unet"), changes.sharded("unet", "fp16", "unread", keep=True)),
          (), "fails", "DT121", "float16", "fp16"),
    Fault("sd: shards of the U-Net without an index", "sd",
          changes.sharded("unet", spelling="none"), (), "fails", "DT006"),
    Fault("flux: shards of T5 without an index", "flux",
          changes.sharded("text_encoder_2", spelling="none"), (), "fails", "DT006"),
    Fault("sd: the index names the wrong shard for every tensor", "sd",
          all_of(changes.sharded("unet"), changes.lying_index("unet")), (), "a picture", "DT006"),
    Fault("flux: the index of T5 names the wrong shard for every tensor", "flux",
          all_of(changes.sharded("text_encoder_2", count=3), changes.lying_index("text_encoder_2")),
          (), "a picture", "DT006"),
    Fault("sdxl: shards of an older upload beside the index", "sdxl",
          all_of(changes.sharded("unet"), changes.extra_shards("unet")), ("--lossy",), "a picture", "DT007"),
    Fault("sd: a sharded variant in the old spelling is converted", "sd",
          all_of(changes.variant("fp16", "fp16", "unet"), stored("fp16", "unet"),
                 changes.sharded("unet", "fp16", "legacy", keep=True)),
          ("--to", "bf16"), "a picture", "", "bfloat16"),
)  # fmt: skip

VARIANTS: Final = (
    Fault("sd: the fp16 variant of the U-Net holds float32", "sd",
          all_of(changes.variant("fp16", "fp16"), changes.variant("fp16", "fp32", only="unet")),
          ("--lossy", "--select", "DT103"), "a picture", "DT103", "float16", "fp16"),
    Fault("sdxl: the bf16 variant holds float16", "sdxl",
          changes.variant("bf16", "fp16"), ("--lossy", "--select", "DT103"), "a picture", "DT103", "bfloat16", "bf16"),
    Fault("sd: the fp32 variant holds float16", "sd",
          changes.variant("fp32", "fp16"), ("--lossy", "--select", "DT103"), "a picture", "DT103", "float32", "fp32"),
    Fault("sdxl: the VAE has no fp16 variant", "sdxl",
          changes.variant("fp16", "fp16", "vae"), ("--lossy", "--select", "DT104"), "a picture", "DT104", "float16", "fp16"),
    Fault("flux: T5 has no fp16 variant", "flux",
          changes.variant("fp16", "fp16", "text_encoder_2"), ("--lossy", "--select", "DT104"), "a picture", "DT104",
          "float16", "fp16"),
)  # fmt: skip

PARTS: Final = (
    Fault("pixart: T5's wo was saved in float16 and overflowed, the float32 file lies beside", "pixart",
          changes.of_keys("text_encoder", "DenseReluDense.wo.weight", lambda tensor: (tensor * 1e7).half(),
                          "model.fp32.safetensors"), ("--select", "DT112"), "nan", "DT112", "float32", quick=True),
    Fault("wan: norms and tables were saved in float16, the float32 file lies beside", "wan",
          changes.of_keys("transformer", r"time_embedder|scale_shift_table|norm[123]\.", lambda tensor: tensor.half(),
                          "diffusion_pytorch_model.fp32.safetensors"), ("--select", "DT112"), "a picture", "DT112", "float32"),
    Fault("sd: position ids are floats", "sd",
          changes.position_ids("text_encoder"), ("--select", "DT117"), "a picture", "DT117"),
    Fault("sdxl: position ids are floats in both text encoders", "sdxl",
          all_of(changes.position_ids("text_encoder"), changes.position_ids("text_encoder_2")),
          ("--select", "DT117"), "a picture", "DT117"),
    Fault("a packed text encoder computes in float32", "flux-text_encoder_2",
          config("", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True,
                                          "bnb_4bit_compute_dtype": "float32"}),
          ("--select", "DT115"), "", "DT115", "float16", kind="scan"),
)  # fmt: skip

VAES: Final = (
    Fault("sdxl: the VAE overflows in float16 and force_upcast is false", "sdxl",
          all_of(HOT, config("vae", force_upcast=False)), ("--strategy", "upcast"), "nan", "", "float16"),
    Fault("sdxl: the VAE overflows in float16 and another one is put in its place", "sdxl",
          all_of(HOT, config("vae", force_upcast=False)), ("--swap", "{good}", "--lossy"), "nan", "", "float16"),
    Fault("flux: the VAE overflows in float16 and another one is put in its place", "flux",
          changes.of_keys("vae", "decoder.up_blocks.0.resnets.0.conv2.weight", changes.largest),
          ("--swap", "{good}", "--lossy"), "nan", "", "float16"),
    Fault("sdxl: the VAE overflows in float16 and a preview one is put in its place", "sdxl",
          all_of(HOT, config("vae", force_upcast=False)), ("--swap", "{preview}", "--lossy"), "nan", "", "float16"),
    Fault("sd: the VAE overflows in float16 and is in two variants", "sd",
          all_of(HOT, changes.variant("fp16", "fp16")), ("--swap", "{good}", "--lossy"), "nan", "", "float16"),
)  # fmt: skip

WISHES: Final = (
    Fault("sd: float32 to bfloat16", "sd", changes.nothing, ("--to", "bf16"), dtype="bfloat16"),
    Fault("sdxl: float32 to float16", "sdxl", config("vae", force_upcast=True), ("--to", "fp16"), dtype="float16"),
    Fault("wan: float32 to bfloat16, with parts that stay float32", "wan", changes.nothing, ("--to", "bf16"), dtype="bfloat16"),
    Fault("pixart: float32 to float16, with parts that stay float32", "pixart", changes.nothing, ("--to", "fp16"),
          dtype="float16"),
    Fault("sd3: a float16 variant beside", "sd3", changes.nothing, ("--to", "fp16", "--as-variant", "fp16"), "fails",
          dtype="float16", variant="fp16"),
    Fault("sana: a bfloat16 variant beside", "sana", changes.nothing, ("--to", "bf16", "--as-variant", "bf16"), "fails",
          dtype="bfloat16", variant="bf16"),
    Fault("flux: pickles to bfloat16", "flux", changes.pickled(), ("--to", "bf16"), dtype="bfloat16"),
    Fault("sd: pickles to float16", "sd", changes.pickled(), ("--to", "fp16"), dtype="float16"),
    Fault("sd: shards to float16", "sd", changes.sharded("unet"), ("--to", "fp16"), dtype="float16"),
    Fault("sdxl: float32 to float16 in shards", "sdxl", config("vae", force_upcast=True),
          ("--to", "fp16", "--max-shard-size", "100KB"), dtype="float16"),
    Fault("sdxl: float16 to float32", "sdxl", stored("fp16"), ("--to", "fp32"), "fails"),
    Fault("sdxl: only the VAE to float32", "sdxl", stored("fp16"), ("--to", "fp32", "--component", "vae"), dtype="float16"),
    Fault("a U-Net alone to bfloat16", "sd-unet", changes.nothing, ("--to", "bf16"), dtype="bfloat16", kind="model", quick=True),
    Fault("a T5 alone to float16", "flux-text_encoder_2", changes.nothing, ("--to", "fp16"), dtype="float16", kind="model"),
    Fault("the VAE inside of a checkpoint to bfloat16", "checkpoint.safetensors", changes.nothing,
          ("--to", "bf16", "--component", "vae"), dtype="bfloat16", kind="checkpoint"),
    Fault("a LoRA to float16", "lora.safetensors", changes.nothing, ("--to", "fp16"), dtype="float32", kind="lora", quick=True),
)  # fmt: skip

FAULTS: Final = (*DECLARED, *INDEXES, *VARIANTS, *PARTS, *VAES, *WISHES)
