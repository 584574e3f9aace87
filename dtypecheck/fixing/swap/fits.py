"""Whether one autoencoder can stand in for another: their classes, settings and shapes, every difference in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...knowledge import Knowledge, Row
from ...subjects import Component, Pipeline, WeightSet

_SETTINGS: Final[Mapping[str, object]] = {
    "latent_channels": 4,
    "scaling_factor": 0.18215,
    "shift_factor": None,
    "block_out_channels": None,
    "in_channels": 3,
    "out_channels": 3,
    "latents_mean": None,
    "latents_std": None,
    "z_dim": None,
}
"""What both have to say alike, with what diffusers takes where a config is silent.

source: diffusers 0.42.1 models/autoencoders/autoencoder_kl.py:75-100
"""
_OLD_NAMES: Final = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""Names of attention layers that diffusers renames on load. source: diffusers 0.42.1 models/modeling_utils.py:2204"""
_TOLD: Final = 6
_Shapes = Mapping[str, tuple[int, ...]]


def differences(
    pipeline: Pipeline, vae: Component, new: Component, row: Row, chosen: WeightSet, known: Knowledge
) -> Iterator[str]:
    """Every reason against `new` in the place of `vae`. row: of swaps.toml, empty for a folder of the user's own."""
    if new.klass != vae.klass:
        yield from _classes(pipeline, vae, new, row, known)
        if _setting(new, "latent_channels") != _setting(vae, "latent_channels"):
            yield _unlike("latent_channels", new, vae)
        if _halvings(new) != _halvings(vae):
            yield f"it halves a side {_halvings(new)} times, this pipeline's VAE {_halvings(vae)} times"
        yield from _row_settings(vae, row)
        return
    for key in _SETTINGS:
        if _setting(new, key) != _setting(vae, key):
            yield _unlike(key, new, vae)
    old = next((loaded for loaded in (vae.loads().chosen, *vae.sets) if loaded and loaded.files), None)
    if old is not None:
        yield from _shapes(shapes(old), shapes(chosen))


def _classes(pipeline: Pipeline, vae: Component, new: Component, row: Row, known: Knowledge) -> Iterator[str]:
    """Another class is taken only where a row says that this pipeline takes it."""
    rows = [row] if row else [other for _, other in known.all("swaps") if other.get("class") == new.klass]
    takes = {name for other in rows for name in other.get("pipelines", ())}
    usual = str(known.row("pipelines", pipeline.klass or "").get("components", {}).get(vae.name, ""))
    if pipeline.klass not in takes and new.klass not in usual.split(" | "):
        yield f"its class is {new.klass}, {pipeline.klass or 'this pipeline'} is made for {vae.klass}"


def _halvings(part: Component) -> int:
    """How often a side is halved on the way to the latents. source: diffusers 0.42.1, autoencoder_tiny.py:110 for the default"""
    data = part.config.data if part.config else {}
    blocks = data.get("encoder_block_out_channels") or data.get("block_out_channels") or (64,) * 4
    return len(blocks) - 1 if isinstance(blocks, (list, tuple)) else 0


def _row_settings(vae: Component, row: Row) -> Iterator[str]:
    for key, value in row.get("replaces", {}).get("config", {}).items():
        if _setting(vae, key) != value:
            yield f"it is made for {key} {value}, this pipeline's VAE has {_setting(vae, key)}"


def _setting(part: Component, key: str) -> Any:
    data = part.config.data if part.config else {}
    value = data.get(key)
    return _SETTINGS.get(key) if value is None else value


def _unlike(key: str, new: Component, vae: Component) -> str:
    return f"{key} {_shown(_setting(new, key))}, this pipeline's VAE has {_shown(_setting(vae, key))}"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def shapes(weights: WeightSet) -> _Shapes:
    """Key and shape of every tensor, old names of layers by their new ones; a 1x1 convolution as the matrix that it is."""
    found: dict[str, tuple[int, ...]] = {}
    for _, tensor in weights.tensors():
        key, shape = tensor.key, tensor.shape
        for old, new in _OLD_NAMES.items():
            if old in key:
                key = key.replace(old, new)
                shape = shape[:2] if shape[2:] == (1, 1) else shape
        found[key] = shape
    return found


def _shapes(old: _Shapes, new: _Shapes) -> Iterator[str]:
    apart = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    for key in apart[:_TOLD]:
        if key not in new:
            yield f"it lacks {key}"
        elif key not in old:
            yield f"it has {key}, which this pipeline's VAE has not"
        else:
            yield f"{key} is {_sizes(new[key])}, this pipeline's VAE has {_sizes(old[key])}"
    if len(apart) > _TOLD:
        yield f"{len(apart) - _TOLD:,} more tensors differ"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
