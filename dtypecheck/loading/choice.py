"""Which of a component's weight files a loader reads, or the error it stops with.

source: diffusers 0.42.1 models/modeling_utils.py:1278-1350, pipelines/pipeline_loading_utils.py:984,
pipelines/pipeline_utils.py:916; transformers 5.23 modeling_utils.py:533-640.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..dtypes import ALL
from ..subjects import Component, Pipeline, WeightSet

_STEMS = {"diffusers": {"safetensors": "diffusion_pytorch_model", "bin": "diffusion_pytorch_model"}}
_TRANSFORMERS = {"safetensors": "model", "bin": "pytorch_model"}
_TORCH_NAMES = {*(dtype.torch for dtype in ALL), "half", "float", "double", "short", "int", "long", "cfloat", "cdouble"} - {""}


UNREADABLE = "SafetensorError"
"""What a failure `raises` whose cause lies in a file; that file has a finding of its own."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The weights that are read, or why none are: `failure` in words, `raises` the exception's name."""

    chosen: WeightSet | None = None
    variant: str | None = None
    failure: str | None = None
    raises: str | None = None


def offers(component: Component, variant: str) -> bool:
    """True when diffusers takes this component for one that has the variant: some file's second dot-field begins with it.

    An index alone does not count, its second field is `safetensors`. source: diffusers 0.42.1 pipeline_loading_utils.py:990
    """
    names = (file.path.rpartition("/")[2] for chosen in component.sets for file in chosen.files)
    return any(name.split(".")[1].startswith(variant) for name in names)


def no_variant(pipeline: Pipeline, variant: str) -> str | None:
    """The error of a pipeline in which no component has the variant, else None; a name without a dot is stumbled on before."""
    if pipeline.kind != "pipeline" or any(c.undotted or offers(c, variant) for c in pipeline.components):
        return None
    return f"no component has files of the variant {variant}"


def choose(component: Component, variant: str | None, in_pipeline: bool) -> Choice:
    """The weight set that `from_pretrained` reads for one component.

    in_pipeline: a pipeline asks each component for the variant only if it has it; a lone model takes it as given.
    """
    if component.family in ("single-file", "adapter"):
        broken = next((file for chosen in component.sets for file in chosen.files if file.trouble), None)
        if component.role == "unused" or broken:
            return Choice(failure=f"{broken.path} cannot be loaded" if broken else None, raises=UNREADABLE if broken else None)
        return Choice(component.sets[0] if component.sets else None)
    if variant and in_pipeline and not offers(component, variant):
        if component.undotted:
            name = f"{component.path}/{component.undotted[0]}"
            return Choice(failure=f"{name!r} has no dot, on which the search for the variant stumbles", raises="IndexError")
        variant = None
    if component.config is None and component.family == "diffusers":
        return Choice(failure=f"no config.json that can be read in {component.path or 'the folder'}", raises="OSError")
    if (word := _no_dtype(component)) is not None:
        return Choice(failure=f"the config declares the dtype {word!r}, and torch has no such name", raises="AttributeError")
    for chosen in _order(component, variant):
        if chosen.missing:
            failure = f"{chosen.index} names {len(chosen.missing)} shards that are not there"
            return Choice(failure=failure, raises="OSError")
        if troubled := next((file for file in chosen.files if file.trouble), None):
            return Choice(failure=f"{troubled.path} cannot be loaded", raises=UNREADABLE)
        if not chosen.files:
            return Choice(failure=f"{chosen.index} names no shard that can be read", raises=UNREADABLE)
        return Choice(chosen, variant)
    stem = _stem(component, "safetensors")
    wanted = f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"
    others = sorted({s.variant for s in component.sets if s.variant} - {variant})
    besides = f"; there is only the variant {', '.join(others)}" if others and not variant else ""
    return Choice(failure=f"no file named {wanted} in {component.path or 'the folder'}{besides}", raises="OSError")


def _no_dtype(component: Component) -> str | None:
    """What a transformers config declares as a dtype, if torch has no dtype of just this name, such as "auto" or "fp16".

    source: transformers 5.23 configuration_utils.py:448 and 4.57.6 configuration_utils.py:274, `getattr(torch, dtype)`
    """
    said = component.config.get("dtype", "torch_dtype") if component.config and component.family == "transformers" else None
    return said if isinstance(said, str) and said not in _TORCH_NAMES else None


def _stem(component: Component, form: str) -> str:
    return _STEMS.get(component.family, _TRANSFORMERS)[form]


def _order(component: Component, variant: str | None) -> list[WeightSet]:
    """The sets that could be read, the one that wins first."""

    def sets(form: str, indexed: bool, spelling: str = "usual") -> list[WeightSet]:
        return [
            s
            for s in component.sets
            if (s.format, s.stem, s.variant) == (form, _stem(component, form), variant)
            and (s.index is not None) == indexed
            and s.spelling == spelling
        ]

    if component.family == "diffusers":
        return [
            *sets("safetensors", True),
            *sets("safetensors", True, "legacy"),
            *sets("safetensors", False),
            *sets("bin", False),
        ]
    return [s for form in ("safetensors", "bin") for indexed in (False, True) for s in sets(form, indexed)]
