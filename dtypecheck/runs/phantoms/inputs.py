"""The smallest call of a pipeline that does all it does: keyword arguments made from the call's own signature."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Mapping
from typing import Any

from ...knowledge import Knowledge, Row
from . import rows as phantom_rows
from .pictures import audio, generator, picture, tensor
from .rows import config_of, filled


class CannotCall(LookupError):
    """The call wants something that no row says how to make; the text names the argument."""


def for_call(pipeline: Any, given: Mapping[str, object], known: Knowledge, row: str | None = None) -> dict[str, Any]:
    """Keyword arguments for `pipeline(**kwargs)`; what is `given` wins, then the row of the class, then the row of the argument.

    The pipeline is made ready too: what its row says under `prepare` is called. errors: CannotCall when an argument without
    a default has no row.
    """
    name = row or type(pipeline).__name__
    said = phantom_rows.row(name, known)
    for path in said.get("prepare", ()):
        operator.attrgetter(path)(pipeline)()
    scope = _scope(pipeline, said, given, known, name)
    out = dict(given)
    for parameter in inspect.signature(pipeline.__call__).parameters.values():
        if parameter.name in given or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        spec = said.get("call", {}).get(parameter.name)
        if spec is None:
            spec = phantom_rows.row(f"call:{parameter.name}", known).get("value")
        if spec is None and parameter.default is parameter.empty:
            raise CannotCall(f"{name} wants {parameter.name}, and no row of phantoms.toml says how to make one")
        if spec is not None and not (isinstance(spec, Mapping) and spec.get("make") == "nothing"):
            out[parameter.name] = _made(spec, scope, parameter.name)
    return out


def for_forward(module: Any, known: Knowledge) -> dict[str, Any]:
    """Keyword arguments for the forward of a model that no pipeline calls. errors: CannotCall where no row says how."""
    name = type(module).__name__
    if not (spec := phantom_rows.row(name, known).get("forward")):
        raise CannotCall(f"without its pipeline a {name} has nobody who calls it, and no row of phantoms.toml says how to")
    made: dict[str, Any] = _made(spec, {"it": module, "width": 0, "height": 0, "frames": 1}, name)
    return made


def _made(spec: Any, scope: Mapping[str, object], name: str) -> Any:
    """What a value stands for: itself, or `{make = "image"}` and the like, inside lists and tables too.

    errors: CannotCall for a `$` word that leads nowhere.
    """
    try:
        return _thing(filled(spec, scope), scope)
    except LookupError as fault:
        raise CannotCall(f"{name}: {fault}") from fault


def _thing(spec: Any, scope: Mapping[str, Any]) -> Any:
    if isinstance(spec, list):
        return [_thing(one, scope) for one in spec]
    if not isinstance(spec, Mapping):
        return spec
    how: dict[str, Any] = {key: _thing(one, scope) for key, one in spec.items()}
    return _make(how.pop("make"), how, scope) if "make" in how else how


def _make(what: str, how: dict[str, Any], scope: Mapping[str, Any]) -> Any:
    """One thing of a kind; how: its keys besides `make`. errors: LookupError for a kind that does not exist."""
    width, height = how.get("size", (scope["width"], scope["height"]))
    mode, count = how.get("mode", "RGB"), how.get("frames", scope["frames"])
    match what:
        case "image":
            return picture(width, height, mode)
        case "mask":
            return picture(width, height, "L")
        case "video":
            return [picture(width, height, mode, shift) for shift in range(count)]
        case "masks":
            return [picture(width, height, "L") for _ in range(count)]
        case "audio":
            return audio(**how)
        case "tensor":
            return tensor(**how)
        case "generator":
            return generator()
        case "object":
            return getattr(sys.modules[scope["module"]], how.pop("class"))(**how)
    raise LookupError(f"nothing here makes {what!r}")


def _scope(pipeline: Any, row: Row, given: Mapping[str, object], known: Knowledge, name: str) -> dict[str, Any]:
    """What a `$` word can name: the components, `height`, `width`, `frames`, and the factors of the VAE."""
    components: dict[str, Any] = dict(pipeline.components)
    words = known.row(phantom_rows.TABLE, "sizes")
    spatial = _first(pipeline, words["spatial"]) or 1
    temporal = _first(pipeline, words["temporal"])
    pieces = known.row("pipelines", name).get("denoisers") or words["denoisers"]
    denoiser = next((config_of(components[part]) for part in pieces if components.get(part) is not None), None)
    multiple = row.get("multiple") or 2 * spatial * _patch(denoiser, words["patch"]) * _depth(denoiser)
    side = multiple * -(-max(row.get("smallest", 0), words["smallest"]) // multiple)
    sizes = {"height": side, "width": side, "frames": row.get("frames") or (temporal + 1 if temporal else words["frames"])}
    said = {key: value for key, value in row.get("call", {}).items() if isinstance(value, int)}
    asked = {"height": "height", "width": "width", "frames": "num_frames"}
    sizes |= {key: given.get(word, said.get(word)) for key, word in asked.items() if given.get(word, said.get(word)) is not None}
    sizes["area"] = sizes["height"] * sizes["width"]
    return components | sizes | {"spatial": spatial, "temporal": temporal or 1, "module": type(pipeline).__module__}


def _first(pipeline: Any, names: list[str]) -> int | None:
    """The first attribute of these that holds a whole number."""
    values = (getattr(pipeline, name, None) for name in names)
    return next((int(value) for value in values if isinstance(value, int | float) and value), None)


def _patch(config: Any, names: list[str]) -> int:
    """How many latents a side a denoiser takes together; of a patch of several sides the last."""
    value = phantom_rows.value_in(config, *names) if config is not None else None
    value = value[-1] if isinstance(value, list | tuple) and value else value
    return int(value) if isinstance(value, int) else 1


def _depth(config: Any) -> int:
    """By how much a U-Net halves its input on the way down."""
    blocks = phantom_rows.value_in(config, "down_block_types") if config is not None else None
    return int(2 ** (len(blocks) - 1)) if isinstance(blocks, list | tuple) else 1
