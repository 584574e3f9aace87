"""Stand-ins for what is no torch module and what a folder may lack: tokenizers, processors, optional parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...knowledge import Knowledge, Row
from . import rows as phantom_rows
from .rows import config_of, filled
from .tokens import tokenizer

ANY_TOKENIZER = "PreTrainedTokenizerBase"
"""The row for a tokenizer of a class that has none of its own."""


class CannotSubstitute(LookupError):
    """There is no stand-in; the text names the component and its class."""


def substitute(name: str, class_name: str, parts: Mapping[str, object], known: Knowledge) -> Any:
    """A stand-in for the component `name`, sized after the models in `parts`, tiny or full; None for what may be absent.

    errors: CannotSubstitute when no row says how, or a part that it is sized after is missing.
    """
    row = _row(class_name, known)
    scope = dict(parts) | {"it": fed_by(name, parts, known)}
    try:
        match row.get("kind"):
            case "absent":
                return None
            case "tokenizer":
                return tokenizer(row, config_of(scope["it"]))
            case "real":
                return _class(class_name, row)(**filled(row.get("config", {}), scope))
            case "processor":
                return _processor(name, class_name, row, scope, known)
            case "agrees":
                return Agrees()
    except (LookupError, ImportError) as fault:
        raise CannotSubstitute(f"{name} ({class_name}): {fault}") from fault
    raise CannotSubstitute(f"{name}: phantoms.toml does not say what can stand in for {class_name}")


def _row(class_name: str, known: Knowledge) -> Row:
    """The row of the class, else of the nearest class it comes from, else of any tokenizer when its name says that it is one."""
    import transformers

    found = getattr(transformers, class_name, None)
    line = [class_name, class_name.removesuffix("Pil").removesuffix("Fast")]  # Pil: what stands in where torchvision is missing
    line += [base.__name__ for base in getattr(found, "__mro__", ())]
    if "Tokenizer" in class_name:
        line.append(ANY_TOKENIZER)
    return next((row for name in line if (row := phantom_rows.row(name, known)).get("kind")), {})


def fed_by(name: str, parts: Mapping[str, object], known: Knowledge) -> object | None:
    """The model that a tokenizer or processor feeds: the first of those that the row `part:<name>` lists."""
    fed = known.row(phantom_rows.TABLE, f"part:{name}").get("of", ())
    return next((parts[other] for other in fed if parts.get(other) is not None), None)


def _class(class_name: str, row: Row) -> Any:
    import transformers

    found = getattr(transformers, row.get("class", class_name), None)
    if found is None:
        raise CannotSubstitute(f"transformers has no {class_name}")
    return found


def _processor(name: str, class_name: str, row: Row, scope: Mapping[str, object], known: Knowledge) -> Any:
    """A real processor of transformers around stand-ins: `parts = {image_processor = {class, config}, tokenizer = {class}}`."""
    inner: dict[str, Any] = {}
    for part, spec in row.get("parts", {}).items():
        found = _row(spec["class"], known)
        if found.get("kind") == "unused":
            inner[part] = Unused()
        elif found.get("kind") == "tokenizer":
            inner[part] = tokenizer(phantom_rows.merged(found, spec), config_of(scope["it"]))
        else:
            settings = phantom_rows.merged(found.get("config", {}), spec.get("config", {}))
            inner[part] = _class(spec["class"], {})(**filled(settings, scope))
    config = filled(row.get("config", {}), scope)
    if "tokenizer" in inner and row.get("takes_template", True):
        config["chat_template"] = inner["tokenizer"].chat_template
    kind = _class(class_name, row)
    lenient = {"check_argument_for_proper_class": lambda self, name, given: type(given)}  # it looks for classes of torchvision
    return type(kind.__name__, (kind,), lenient)(**inner, **config)


class Unused:
    """What a processor wants to hold and no pipeline asks for anything."""

    model_input_names: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        return {}

    def save_pretrained(self, *_args: object, **_kwargs: object) -> list[str]:
        return []


class Agrees:
    """Stands in for a checker of content: every question about a prompt or a picture is answered with yes or as it came."""

    def to(self, *_args: object, **_kwargs: object) -> Agrees:
        return self

    def check_text_safety(self, _prompt: str) -> bool:
        return True

    def check_video_safety(self, video: Any) -> Any:
        return video
