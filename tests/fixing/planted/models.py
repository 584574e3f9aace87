"""The tiny models that faults are planted in, saved by the libraries with random numbers of a seed, and how they are run."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_file

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms import inputs
from dtypecheck.runs.phantoms.shrunken import build
from tests.loading import saved, tiny
from tests.runs.watch.tiny import PIPELINES

from . import changes

SDXL_SCALE: Final = 0.13025
_TORCH: Final = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars and no chatter of libraries."""
    from diffusers.utils import logging
    from transformers.utils import logging as other

    logging.set_verbosity_error()
    other.set_verbosity_error()
    logging.disable_progress_bar()
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def lay_out(base: str, store: Path, place: Path, known: Knowledge) -> None:
    """A copy of a base model at `place`; it is made once, in `store`. base: a pipeline of the table, or a lone part of one."""
    if not (store / base).exists():
        store.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(7)
        with quiet():
            _make(base, store, known)
    source = store / base
    if source.is_dir():
        shutil.copytree(source, place)
    else:
        shutil.copy2(source, place)


def _make(base: str, store: Path, known: Knowledge) -> None:
    if base in PIPELINES:
        made = build(PIPELINES[base], known)
        made.save_pretrained(store / base)
        if base == "sdxl":
            changes.edit(store / base / "vae" / "config.json", scaling_factor=SDXL_SCALE, latent_channels=4)
    elif base == "checkpoint.safetensors":
        saved.original(store / base, {"unet": "fp32", "vae": "fp32", "text_encoder": "fp32"})
    elif base == "lora.safetensors":
        save_file(_lora(), store / base, {"format": "pt", "ss_network_dim": "2", "sshs_model_hash": "0" * 64})
    else:
        pipeline, part = base.split("-", 1)
        lay_out(pipeline, store, store / f"of-{base}", known)
        shutil.move(store / f"of-{base}" / part, store / base)
        shutil.rmtree(store / f"of-{base}")


def preview_vae(place: Path) -> None:
    """A small autoencoder of another class for latents with four channels."""
    import diffusers

    torch.manual_seed(1)
    sizes: dict[str, Any] = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8), "latent_channels": 4}
    made = diffusers.AutoencoderTiny(**sizes, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1))
    made.save_pretrained(place)


def _lora() -> dict[str, torch.Tensor]:
    """A LoRA for the attention of the U-Net of sd, in the names of peft."""
    made: Any = tiny.unet(xl=False)
    found: dict[str, torch.Tensor] = {}
    for name, module in made.named_modules():
        if name.endswith(("to_q", "to_v")):
            found[f"unet.{name}.lora_A.weight"] = torch.randn(2, module.in_features) * 0.1
            found[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, 2) * 0.1
    return found


def dtypes(text: str | None) -> Any:
    """What is passed as torch_dtype."""
    if text is None:
        return None
    items = dict(item.rpartition("=")[::2] for item in text.split(","))
    found = {name or "default": _TORCH[word] for name, word in items.items()}
    return found["default"] if list(found) == ["default"] else found


def run(kind: str, place: Path, dtype: str | None, variant: str | None, known: Knowledge) -> str:
    """Load a model for real and run it on the CPU: "a picture", "nan", "uniform", or "fails: ..." with the reason."""
    torch.manual_seed(11)
    try:
        with quiet(), torch.no_grad():
            return look(_run(kind, place, dtype, variant, known))
    except (RuntimeError, ValueError, TypeError, OSError, KeyError, AttributeError, IndexError) as fault:
        return f"fails: {type(fault).__name__}: {str(fault).strip().splitlines()[0] if str(fault).strip() else ''}"


def _run(kind: str, place: Path, dtype: str | None, variant: str | None, known: Knowledge) -> Any:
    import diffusers
    import transformers

    options: dict[str, Any] = {"local_files_only": True}
    if dtype is not None:
        options["torch_dtype"] = dtypes(dtype)
    if variant is not None:
        options["variant"] = variant
    if kind == "pipeline":
        pipe = diffusers.DiffusionPipeline.from_pretrained(str(place), **options)
        return call(pipe, known)
    if kind == "checkpoint":
        return _checkpoint(place, options)
    if kind == "lora":
        return _with_lora(place, options)
    config = json.loads((place / "config.json").read_text())
    library = diffusers if "_class_name" in config else transformers
    name = config.get("_class_name") or config["architectures"][0]
    model = getattr(library, name).from_pretrained(str(place), **options).eval()
    if library is transformers:
        return model(input_ids=torch.tensor([[1, 5, 7, 2]])).last_hidden_state
    width = model.config.cross_attention_dim
    sample = torch.randn(1, model.config.in_channels, 16, 16).to(model.dtype)
    return model(sample, torch.tensor(3), torch.randn(1, 4, width).to(model.dtype)).sample


def call(pipe: Any, known: Knowledge) -> Any:
    """The smallest call of a pipeline that makes a picture or a film, as numbers."""
    pipe.set_progress_bar_config(disable=True)
    given = {"generator": torch.Generator().manual_seed(3), "output_type": "np"}
    arguments = inputs.for_call(pipe, given, known)
    result = pipe(**arguments)
    return result.images if hasattr(result, "images") else result.frames


def _embedded(pipe: Any) -> Any:
    """A pipeline without tokenizers, called with the embeddings of some ids."""
    pipe.set_progress_bar_config(disable=True)
    prompt = pipe.text_encoder(torch.tensor([[1, 5, 7, 2]]))[0]
    return pipe(
        prompt_embeds=prompt, guidance_scale=1.0, num_inference_steps=2, height=16, width=16, output_type="np",
        generator=torch.Generator().manual_seed(3),
    ).images  # fmt: skip


def _checkpoint(place: Path, options: dict[str, Any]) -> Any:
    import diffusers

    folder = place.parent / "settings"
    if not folder.exists():
        pipeline = tiny.sd15()
        pipeline.save_config(folder)
        for name, part in {**tiny.modules(pipeline), "scheduler": pipeline.scheduler}.items():
            part.save_pretrained(folder / name)
    absent = {"tokenizer": None, "safety_checker": None, "feature_extractor": None}
    pipe = diffusers.StableDiffusionPipeline.from_single_file(str(place), config=str(folder), **options, **absent)
    return _embedded(pipe)


def _with_lora(place: Path, options: dict[str, Any]) -> Any:
    torch.manual_seed(7)
    pipe = tiny.sd15()
    if options.get("torch_dtype") is not None:
        pipe.to(options["torch_dtype"])
    pipe.load_lora_weights(str(place.parent), weight_name=place.name)
    return _embedded(pipe)


def look(numbers: Any) -> str:
    """What came out, in a word."""
    found = torch.as_tensor(np.asarray(numbers) if not isinstance(numbers, torch.Tensor) else numbers).double()
    if not bool(found.isfinite().all()):
        return "nan"
    return "uniform" if bool((found == found.flatten()[0]).all()) else "a picture"
