"""A pipeline of any class of diffusers with components so small that a whole real call takes a second, built from rows alone."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from ...knowledge import Knowledge
from . import rows as phantom_rows
from .substitutes import CannotSubstitute, substitute


class NoRow(LookupError):
    """No row of phantoms.toml says how to build this; the text names the class and what is missing."""


def build(pipeline_class: str, known: Knowledge) -> Any:
    """The pipeline with small float32 components of random weights. Nothing here looks at a parameter's value.

    errors: NoRow if the class is left out or a row is missing.
    """
    given = parts(pipeline_class, known)
    return _pipeline(pipeline_class)(**given, **arguments(pipeline_class, known))


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
    absent = [name for name in row.get("needs", ()) if importlib.util.find_spec(name) is None]
    left_out: str | None = row.get("left_out")
    return left_out or (f"needs {', '.join(absent)}" if absent else None)


def arguments(pipeline_class: str, known: Knowledge) -> dict[str, Any]:
    """The values besides components that `__init__` takes."""
    taken = inspect.signature(_pipeline(pipeline_class).__init__).parameters
    given: dict[str, Any] = phantom_rows.filled(_row(pipeline_class, known).get("arguments", {}), {})
    return {"requires_safety_checker": False} | given if "requires_safety_checker" in taken else given


def parts(pipeline_class: str, known: Knowledge) -> dict[str, Any]:
    """The components by name: models first, then what is sized after them.

    errors: NoRow, also when a component has no row.
    """
    asked = _asked(pipeline_class, known)
    near = _pipeline(pipeline_class).__module__
    built: dict[str, Any] = {name: None for name, spec in asked.items() if not spec}
    later: dict[str, Any] = {}
    for name, spec in asked.items():
        if not spec:
            continue
        own = phantom_rows.row(spec["class"], known)
        found = None if own.get("kind") else _class(own.get("class", spec["class"]), near)
        if found is not None and _is_module(found):
            built[name] = _module(found, _config(found.__name__, spec, built, known))
        else:
            later[name] = found
    for name, found in later.items():
        built[name] = _stood_in(name, asked[name], found, built, known)
    return {name: built[name] for name in asked}


def _config(class_name: str, spec: Mapping[str, Any], built: Mapping[str, Any], known: Knowledge) -> dict[str, Any]:
    """The config of the class's row with that of the pipeline's row over it.

    errors: NoRow when there is neither.
    """
    own = phantom_rows.row(class_name, known)
    if not own and "config" not in spec:
        raise NoRow(f"phantoms.toml has no row for the model class {class_name}")
    config: dict[str, Any] = phantom_rows.filled(phantom_rows.merged(own.get("config", {}), spec.get("config", {})), built)
    return config


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
    settings = _row(pipeline_class, known).get("arguments", {})
    components = known.row("pipelines", pipeline_class).get("components", {})
    out: dict[str, Any] = {}
    for parameter in list(inspect.signature(_pipeline(pipeline_class).__init__).parameters.values())[1:]:
        name = parameter.name
        if name in settings or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        spec = said.get(name, parameter.default is parameter.empty)
        if spec is not False:
            usual = components.get(name) or " ".join(_names(parameter.annotation))
            out[name] = {"class": re.split(r"[\s|]+", usual)[0], **(spec if isinstance(spec, Mapping) else {})}
        elif parameter.default is None or name in said:
            out[name] = None
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


def _stood_in(name: str, spec: Mapping[str, Any], found: Any, built: Mapping[str, Any], known: Knowledge) -> Any:
    """A scheduler or guider, which is the real one, or a substitute; real tensors also where models are fake ones."""
    from diffusers import ConfigMixin
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    with unset_fake_temporarily():  # a scheduler reads the values of its own tensors
        if isinstance(found, type) and issubclass(found, ConfigMixin):
            config = phantom_rows.merged(phantom_rows.row(found.__name__, known).get("config", {}), spec.get("config", {}))
            return found(**phantom_rows.filled(config, built))
        try:
            return substitute(name, spec["class"], built, known)
        except CannotSubstitute as fault:
            raise NoRow(str(fault)) from fault


def _module(found: Any, config: Mapping[str, Any]) -> Any:
    from diffusers import ConfigMixin
    from transformers import PreTrainedModel

    if issubclass(found, PreTrainedModel):
        own = inspect.signature(found.__init__).parameters
        return found(found.config_class(**config), **{key: value for key, value in config.items() if key in own}).eval()
    if issubclass(found, ConfigMixin):  # as from_pretrained does it: what __init__ does not take is in the config all the same
        return found.from_config(dict(config)).eval()
    return found(**config).eval()
