"""Small real things to watch: pipelines of diffusers, models of transformers, plain networks, and some of them wrapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms.inputs import for_call
from dtypecheck.runs.phantoms.shrunken import known_classes
from dtypecheck.runs.pretend import quiet
from tests.loading import tiny
from tests.runs import truth
from tests.runs.watch.nets import NETS, Casting, Packed, half, hidden

KNOWN: Final = Knowledge()
HALVES: Final = (torch.float16, torch.bfloat16)
DTYPES: Final = (*HALVES, torch.float32)


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing to watch, and how it is called once; each call gives the same numbers."""

    target: Any
    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Family:
    """make: the thing in a dtype. wrap: what a user does to it before the call, after its weights are as they shall be."""

    make: Callable[[torch.dtype], Subject]
    wrap: Callable[[Any], None] = lambda target: None
    dtypes: tuple[torch.dtype, ...] = DTYPES

    def wrapped(self, dtype: torch.dtype, prepare: Callable[[Subject], None] = lambda subject: None) -> Subject:
        """The thing as it is watched. prepare: what happens to it before it is wrapped."""
        with quiet():
            subject = self.make(dtype)
            prepare(subject)
            self.wrap(subject.target)
        return subject


def pipeline(klass: str, dtype: torch.dtype) -> Subject:
    """A pipeline of diffusers, saved and loaded as a user loads it."""
    import diffusers

    with truth.saved(klass, KNOWN) as (place, made):
        found = getattr(diffusers, klass).from_pretrained(place, torch_dtype=dtype, local_files_only=True, **made.rest)
    found.set_progress_bar_config(disable=True)

    def call() -> Any:
        torch.manual_seed(0)
        with quiet():
            return found(**for_call(found, {}, KNOWN))

    return Subject(found, call)


def model(made: Callable[[], torch.nn.Module], use: Callable[[Any], Any], dtype: torch.dtype) -> Subject:
    """A model of transformers alone; `use` calls it."""
    torch.manual_seed(0)
    found = made().eval()
    keep = getattr(found, "_keep_in_fp32_modules", None) or ()
    for name, parameter in found.named_parameters():
        if not any(part in name.split(".") for part in keep):
            parameter.data = parameter.data.to(dtype)

    def call() -> Any:
        torch.manual_seed(0)
        with quiet(), torch.no_grad():
            return use(found)

    return Subject(found, call)


def net(name: str, dtype: torch.dtype) -> Subject:
    """A network of nets.py."""
    torch.manual_seed(0)
    make, given = NETS[name]
    found, value = make(), given().to(dtype)
    for part in [found] if isinstance(found, torch.nn.Module) else vars(found).values():
        part.to(dtype).eval()

    def call() -> Any:
        with torch.inference_mode():
            return found(value.clone())

    return Subject(found, call)


def own_weights(make: Callable[[], torch.nn.Module], dtype: torch.dtype) -> Subject:
    """A network whose layers look after the dtype of their weights; only its norms are in the dtype of its input."""
    torch.manual_seed(0)
    found, value = half(make, dtype).eval(), hidden().to(dtype)

    def call() -> Any:
        with torch.inference_mode():
            return found(value.clone())

    return Subject(found, call)


def in_autocast(dtype: torch.dtype) -> Subject:
    """float32 weights under autocast."""
    inner = net("nest", torch.float32)

    def call() -> Any:
        with torch.autocast("cpu", dtype):
            return inner.call()

    return Subject(inner.target, call)


def parts(target: Any) -> dict[str, torch.nn.Module]:
    """The components by name; a lone module under the name ""."""
    if isinstance(target, torch.nn.Module):
        return {"": target}
    return {name: part for name, part in target.components.items() if isinstance(part, torch.nn.Module)}


def ids(count: int = 6) -> torch.Tensor:
    return torch.arange(3, 3 + count)[None]


def llama() -> torch.nn.Module:
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def eager_llama() -> torch.nn.Module:
    """With a mask at the lowest number of its dtype in every layer."""
    made = llama()
    made.set_attn_implementation("eager")
    return made


def _generate(found: Any) -> Any:
    """Three tokens; `decoder_start_token_id` is for those with an encoder."""
    start = {"decoder_start_token_id": 1} if found.config.is_encoder_decoder else {}
    mask = torch.ones_like(ids())
    return found.generate(ids(), attention_mask=mask, max_new_tokens=3, min_new_tokens=3, do_sample=False, **start)


def _see(found: Any) -> Any:
    weight = next(found.parameters())
    mask = torch.ones_like(ids())
    mask[:, -2:] = 0
    return found(input_ids=ids(), attention_mask=mask, pixel_values=torch.rand(1, 3, 8, 8).to(weight.dtype))


def model_offload(target: Any) -> None:
    target.enable_model_cpu_offload(device="cpu")


def parameter_offload(target: Any) -> None:
    """accelerate's hooks on every module: weights lie on meta between calls. The VAE's encode and decode are no forward."""
    import accelerate

    cpu = torch.device("cpu")
    for name, part in parts(target).items():
        if name == "vae":
            accelerate.cpu_offload_with_hook(part, cpu)
        else:
            accelerate.cpu_offload(part, cpu)


def group_offload(target: Any) -> None:
    from diffusers.hooks import apply_group_offloading

    cpu = torch.device("cpu")
    for part in parts(target).values():
        apply_group_offloading(part, onload_device=cpu, offload_device=cpu, offload_type="leaf_level")


def layerwise(target: Any) -> None:
    """Weights are stored in float8 and widened around each layer's call."""
    part = target.transformer
    part.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=part.dtype)


def lora(target: Any) -> None:
    from peft import LoraConfig

    part = parts(target).get("unet") or parts(target)["transformer"]
    part.add_adapter(LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_v"]))


def sliced(target: Any) -> None:
    target.vae.enable_slicing()
    target.vae.enable_tiling()
    target.unet.to(memory_format=torch.channels_last)


def compiled(target: Any) -> None:
    """Seen as one module from outside."""
    target.transformer = torch.compile(target.transformer, backend="eager")


def compiled_in_place(target: Any) -> None:
    target.compile(backend="eager")


def dynamic_int8(target: Any) -> None:
    """torch's own quantised layers, which hold no parameters."""
    target.transformer = torch.ao.quantization.quantize_dynamic(target.transformer, {torch.nn.Linear}, torch.qint8)


PIPELINES: Final = (
    "StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "FluxPipeline", "PixArtSigmaPipeline",
    "WanPipeline", "LTXPipeline", "CogVideoXPipeline", "AnimateDiffPipeline", "KandinskyPipeline",
    "KandinskyV22CombinedPipeline", "Kandinsky3Pipeline", "StableDiffusionControlNetPipeline", "StableDiffusionXLImg2ImgPipeline",
    "DiTPipeline", "AuraFlowPipeline", "SanaPipeline", "QwenImagePipeline", "Lumina2Pipeline", "ZImagePipeline",
    "HunyuanVideoPipeline", "MochiPipeline", "StableAudioPipeline", "AudioLDM2Pipeline", "IFPipeline",
    "StableVideoDiffusionPipeline", "MarigoldDepthPipeline", "HunyuanDiTPipeline", "ChromaPipeline",
)  # fmt: skip
"""One class or two of each family; any of `known_classes` can be built."""


FAMILIES: Final[Mapping[str, Family]] = {
    **{name: Family(partial(pipeline, name)) for name in PIPELINES},
    "llama": Family(partial(model, llama, _generate)),
    "llama eager": Family(partial(model, eager_llama, _generate)),
    "t5": Family(partial(model, partial(tiny.t5, "T5ForConditionalGeneration"), _generate)),
    "clip": Family(partial(model, tiny.whole_clip, _see)),
    **{name: Family(partial(net, name)) for name in NETS},
}
"""Each as it is."""


WRAPPED: Final[Mapping[str, Family]] = {
    "lora": Family(partial(pipeline, "StableDiffusionXLPipeline"), lora),
    "lora on a transformer": Family(partial(pipeline, "LTXPipeline"), lora),
    "model offload": Family(partial(pipeline, "StableDiffusionPipeline"), model_offload),
    "offload of every parameter": Family(partial(pipeline, "FluxPipeline"), parameter_offload),
    "group offload": Family(partial(pipeline, "PixArtSigmaPipeline"), group_offload),
    "layerwise casting": Family(partial(pipeline, "SanaPipeline"), layerwise, HALVES),
    "slices and tiles": Family(partial(pipeline, "StableDiffusionPipeline"), sliced),
}
"""Some of them as users wrap them; names of modules stay what `named_modules` says after it."""


def of_class(klass: str) -> Family:
    """Any pipeline class as it is."""
    return Family(partial(pipeline, klass), dtypes=HALVES)


OPAQUE: Final[Mapping[str, Family]] = {
    "compiled transformer": Family(partial(pipeline, "DiTPipeline"), compiled),
    "compiled in place": Family(partial(net, "nest"), compiled_in_place),
    "dynamic int8": Family(partial(pipeline, "LTXPipeline"), dynamic_int8, (torch.float32,)),
    "casts its own weights": Family(partial(own_weights, Casting), dtypes=HALVES),
    "packed weights": Family(partial(own_weights, Packed)),
    "autocast": Family(in_autocast, dtypes=HALVES),
}
"""Those in which nothing is planted: modules that are not seen one by one, or whose own weights are not what they multiply by."""


def any_class() -> tuple[str, ...]:
    """Every pipeline class that can be built here."""
    return known_classes(KNOWN)
