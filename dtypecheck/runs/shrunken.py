"""A pipeline of any class of diffusers with components so small that a whole real call takes a second, built from rows alone."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ..knowledge import Knowledge
from . import phantom_rows
from .substitutes import CannotSubstitute, substitute


class NoRow(LookupError):
    """No row of phantoms.toml says how to build this; the text names the class and what is missing."""


def build(pipeline_class: str, known: Knowledge) -> Any:
    """The pipeline with small float32 components of random weights. Nothing here looks at a parameter's value.

    errors: NoRow if the class is left out or a row is missing.
    """
    made = _pipeline(pipeline_class)(**parts(pipeline_class, known), **arguments(pipeline_class, known))
    prepare(made, known)
    return made


def prepare(pipeline: Any, known: Knowledge, row: str | None = None) -> None:
    """Calls what a user has to call before the first run, such as `vae.enable_tiling`: the row's list `prepare`."""
    for path in phantom_rows.row(row or type(pipeline).__name__, known).get("prepare", ()):
        target = pipeline
        for name in path.split("."):
            target = getattr(target, name)
        target()


def known_classes(known: Knowledge) -> tuple[str, ...]:
    """Every pipeline class that can be built, in the order of pipelines.toml."""
    return tuple(name for name in _living(known) if missing(name, known) is None)


def missing_classes(known: Knowledge) -> dict[str, str]:
    """Every pipeline class, not deprecated, that cannot be built, and why."""
    reasons = ((name, missing(name, known)) for name in _living(known))
    return {name: reason for name, reason in reasons if reason is not None}


def missing(pipeline_class: str, known: Knowledge) -> str | None:
    """Why a class cannot be built; None if it can."""
    row = phantom_rows.row(pipeline_class, known)
    if not row:
        return "no row in phantoms.toml"
    left_out: str | None = row.get("left_out")
    return left_out


def arguments(pipeline_class: str, known: Knowledge) -> dict[str, Any]:
    """The values besides components that `__init__` takes."""
    taken = inspect.signature(_pipeline(pipeline_class).__init__).parameters
    given = phantom_rows.filled(_row(pipeline_class, known).get("arguments", {}), {})
    return {"requires_safety_checker": False} | given if "requires_safety_checker" in taken else given


def parts(pipeline_class: str, known: Knowledge) -> dict[str, Any]:
    """The components by name: models first, then what is sized after them.

    errors: NoRow, also when a component has no row.
    """
    asked = _asked(pipeline_class, known)
    near = _pipeline(pipeline_class).__module__
    wanted = {name: phantom_rows.row(spec["class"], known).get("class", spec["class"]) for name, spec in asked.items() if spec}
    classes = {name: _class(wanted[name], near) for name in wanted}
    built: dict[str, Any] = {name: None for name, spec in asked.items() if not spec}
    for name in sorted(classes, key=lambda name: not _is_module(classes[name])):
        own = phantom_rows.row(wanted[name], known)
        config = phantom_rows.filled(phantom_rows.merged(own.get("config", {}), asked[name].get("config", {})), built)
        if _is_module(classes[name]):
            if not own and not config:
                raise NoRow(f"phantoms.toml has no row for the model class {wanted[name]}")
            built[name] = None if own.get("absent") else _module(classes[name], config)
        else:
            built[name] = _stood_in(name, wanted[name], classes[name], config, built, known)
    return {name: built[name] for name in asked}


def _living(known: Knowledge) -> Iterator[str]:
    names = (name for name in known.names("pipelines") if not name.startswith("modular:"))
    return (name for name in names if not known.row("pipelines", name).get("deprecated"))


def _row(pipeline_class: str, known: Knowledge) -> Mapping[str, Any]:
    if reason := missing(pipeline_class, known):
        raise NoRow(f"{pipeline_class}: {reason}")
    return phantom_rows.row(pipeline_class, known)


def _pipeline(name: str) -> Any:
    import diffusers

    return getattr(diffusers, name)


def _asked(pipeline_class: str, known: Knowledge) -> dict[str, Any]:
    """What to build: name and {class, config} of every component; None for one that stays out.

    What the row names, and of the rest all that `__init__` has no default for.
    """
    said = _row(pipeline_class, known).get("parts", {})
    components = known.row("pipelines", pipeline_class).get("components", {})
    settings = _row(pipeline_class, known).get("arguments", {})
    out: dict[str, Any] = {}
    for parameter in list(inspect.signature(_pipeline(pipeline_class).__init__).parameters.values())[1:]:
        name, spec = parameter.name, said.get(parameter.name)
        wanted = spec not in (None, False) or (spec is None and parameter.default is parameter.empty)
        if name in settings or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not wanted:
            if spec is False or parameter.default is None:
                out[name] = None
            continue
        spec = spec if isinstance(spec, Mapping) else {}
        usual = components.get(name) or " ".join(_names(parameter.annotation))
        out[name] = {"class": re.split(r"[\s|]+", usual)[0]} | spec
    return out


def _names(annotation: Any) -> Iterator[str]:
    """The class names in an annotation, without None."""
    if isinstance(annotation, str):
        yield from (name for name in re.findall(r"\w+", annotation) if name not in ("None", "Optional", "Union"))
    elif inner := typing.get_args(annotation):
        for one in inner:
            yield from _names(one)
    elif annotation is not type(None):
        yield getattr(annotation, "__name__", "")


def _class(name: str, near: str) -> Any:
    """A class by its name: looked for beside the pipeline, in diffusers, in transformers.

    errors: NoRow if it is nowhere.
    """
    import diffusers
    import transformers

    for place in (sys.modules[near], diffusers, transformers, sys.modules[near.rpartition(".")[0]]):
        if (found := getattr(place, name, None)) is not None:
            return found
    raise NoRow(f"there is no class {name or 'without a name'}; name one in a row of phantoms.toml")


def _is_module(found: Any) -> bool:
    import torch

    return isinstance(found, type) and issubclass(found, torch.nn.Module)


def _stood_in(name: str, class_name: str, found: Any, config: Mapping[str, Any], built: Mapping[str, Any], known: Knowledge) -> Any:
    """A scheduler or guider, which is the real one, or a substitute; real tensors also where models are fake ones."""
    from diffusers import ConfigMixin
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():  # a scheduler reads the values of its own tensors
        if isinstance(found, type) and issubclass(found, ConfigMixin):
            return found(**config)
        try:
            return substitute(name, class_name, built, known)
        except CannotSubstitute as fault:
            raise NoRow(str(fault)) from fault


def _module(found: Any, config: Mapping[str, Any]) -> Any:
    from diffusers import ConfigMixin
    from transformers import PreTrainedModel

    if issubclass(found, PreTrainedModel):
        return found(found.config_class(**config)).eval()
    if issubclass(found, ConfigMixin):  # as from_pretrained does it: what __init__ does not take is in the config all the same
        return found.from_config(dict(config)).eval()
    return found(**config).eval()
