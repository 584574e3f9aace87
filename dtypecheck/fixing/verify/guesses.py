"""How a component is called that no rehearsal reached: by what its class and its settings say of themselves."""

from __future__ import annotations

import inspect
from typing import Any, Final

import torch

from ...runs.phantoms.component import to_torch
from ...runs.rehearse import model_inputs
from ...subjects import Component, Pipeline
from .calls import Call, Shaped, main_dtype

_SIDE: Final = 8
_TOKENS: Final = 8


def guessed(module: torch.nn.Module, part: Component, pipeline: Pipeline) -> tuple[Call, ...]:
    """Calls with small inputs for a module in float32; none where nothing tells.

    A lone autoencoder whose settings ask its pipelines to decode in float32 is called as they do.
    """
    loads = part.loads().dtype
    dtype = to_torch(loads) if loads is not None else main_dtype(module)
    settings = part.config.data if part.config else {}
    if callable(getattr(module, "decode", None)) and callable(getattr(module, "encode", None)):
        if pipeline.kind != "pipeline" and settings.get("force_upcast"):
            dtype = torch.float32
        return _autoencoder(module, dtype)
    if part.family == "transformers":
        return _transformer(module, dtype)
    return _denoiser(module, dtype)


def _autoencoder(module: torch.nn.Module, dtype: torch.dtype) -> tuple[Call, ...]:
    """decode, of latents with as many channels as its first layer takes, pictures or films."""
    weights = dict(module.named_parameters())
    first = weights.get("post_quant_conv.weight")
    if first is None:
        first = next((w for key, w in weights.items() if key.startswith("decoder.") and w.dim() in (4, 5)), None)
    if first is None:
        return ()
    sizes = (_SIDE, _SIDE) if first.dim() == 4 else (1, _SIDE, _SIDE)
    return (Call("decode", dtype, (Shaped((1, first.shape[1], *sizes), dtype),)),)


def _transformer(module: torch.nn.Module, dtype: torch.dtype) -> tuple[Call, ...]:
    """forward, with ids that differ from each other."""
    given: dict[str, Any] = {}
    for name, value in model_inputs(module).items():
        if value.is_floating_point():
            given[name] = Shaped(tuple(value.shape), dtype)
        elif name == "input_ids":
            words = getattr(getattr(module, "config", None), "vocab_size", 0) or _TOKENS
            given[name] = (torch.arange(value.numel()) * 7 % min(words, 1000)).reshape(value.shape)
        else:
            given[name] = value
    return (Call("forward", dtype, (), given),) if given else ()


def _denoiser(module: torch.nn.Module, dtype: torch.dtype) -> tuple[Call, ...]:
    """forward(sample, timestep, encoder_hidden_states), as all U-Nets have it."""
    takes, settings = inspect.signature(module.forward).parameters, getattr(module, "config", None)
    channels, width = getattr(settings, "in_channels", None), getattr(settings, "cross_attention_dim", None)
    if not {"sample", "timestep"} <= takes.keys() or not isinstance(channels, int):
        return ()
    side = max(_SIDE, 2 ** len(getattr(settings, "down_block_types", ()) or ()))
    given: dict[str, Any] = {"sample": Shaped((1, channels, side, side), dtype), "timestep": torch.tensor(10)}
    if "encoder_hidden_states" in takes:
        given["encoder_hidden_states"] = Shaped((1, _TOKENS, width[0] if isinstance(width, (list, tuple)) else width or 1), dtype)
    if getattr(settings, "addition_embed_type", None) == "text_time":
        times = 6 * (getattr(settings, "addition_time_embed_dim", None) or 0)
        text = (getattr(settings, "projection_class_embeddings_input_dim", None) or times) - times
        pooled = {"text_embeds": Shaped((1, text), dtype), "time_ids": torch.full((1, 6), 64.0)}
        given["added_cond_kwargs"] = pooled
    return (Call("forward", dtype, (), given),)
