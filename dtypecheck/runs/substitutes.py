"""Stand-ins for what is no torch module and what a folder may lack: tokenizers, processors, feature extractors, optional parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..knowledge import Knowledge, Row
from . import phantom_rows
from .phantom_rows import config_of, filled, value_in

ANY_TOKENIZER = "PreTrainedTokenizerBase"
"""The row for a tokenizer of a class that has none of its own."""


class CannotSubstitute(LookupError):
    """There is no stand-in; the text names the component and its class."""


def substitute(name: str, class_name: str, parts: Mapping[str, object], known: Knowledge) -> Any:
    """A stand-in for the component `name` of this class, sized after the models in `parts`, tiny or full; None if it may be absent.

    errors: CannotSubstitute when no row says how, or a part that it is sized after is missing.
    """
    row = _row(class_name, known)
    scope = dict(parts) | {"it": _model_for(name, parts, known)}
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
    line = [base.__name__ for base in found.__mro__] if isinstance(found, type) else [class_name]
    line.append(line[0].removesuffix("Pil"))  # what transformers gives for an image processor where torchvision is missing
    if "Tokenizer" in class_name:
        line.append(ANY_TOKENIZER)
    return next((row for name in line if (row := phantom_rows.row(name, known)).get("kind")), {})


def _model_for(name: str, parts: Mapping[str, object], known: Knowledge) -> object | None:
    """The model that a tokenizer or processor feeds: the first of those that the row `part:<name>` lists."""
    fed = known.row(phantom_rows.TABLE, f"part:{name}").get("of", ())
    return next((parts[other] for other in fed if parts.get(other) is not None), None)


def _class(class_name: str, row: Row) -> Any:
    import transformers

    found = getattr(transformers, row.get("class", class_name), None)
    if found is None:
        raise CannotSubstitute(f"transformers has no {class_name}")
    return found


def tokenizer(row: Row, config: Any) -> Any:
    """A fast tokenizer of whole words in memory, whose ids fit a text encoder's vocabulary and whose special ids are its config's.

    row: `special` (attribute: token), `tokens` (token: config key with its id), `marks` (further special tokens), `frame`
    (the tokens before and after a text), `length`, `chat_template`.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special: Mapping[str, str] = row.get("special", {})
    unknown = special.get("unk_token", "<unk>")
    vocabulary = _vocabulary(row, config, unknown)
    engine = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    engine.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), behavior="removed", invert=True)
    before, after = row.get("frame", ("", ""))
    pieces = [(mark, vocabulary[mark]) for mark in dict.fromkeys((before, after)) if mark]
    if pieces:
        one, two = (f"{before} $A:0 {after}".strip(), f"{before} $A:0 {after} $B:1 {after}".strip())
        engine.post_processor = processors.TemplateProcessing(single=one, pair=two, special_tokens=pieces)
    made = PreTrainedTokenizerFast(
        tokenizer_object=engine,
        model_max_length=row.get("length") or value_in(config, "max_position_embeddings", "n_positions") or 512,
        extra_special_tokens=[*row.get("tokens", {}), *row.get("marks", [])],
        padding_side=row.get("padding_side", "right"),
        **(dict(special) | {"unk_token": unknown}),
    )
    made.chat_template = row.get("chat_template")
    return made


def _vocabulary(row: Row, config: Any, unknown: str) -> dict[str, int]:
    """Token and id: special ones where the config has them, all others at the lowest free ids."""
    size = value_in(config, "vocab_size", "text_vocab_size") or 1000
    special: Mapping[str, str] = row.get("special", {})
    fixed = {token: value_in(config, f"{attribute}_id") for attribute, token in special.items()}
    fixed |= {token: value_in(config, *([keys] if isinstance(keys, str) else keys)) for token, keys in row.get("tokens", {}).items()}
    fixed = {token: number[0] if isinstance(number, list) else number for token, number in fixed.items()}
    out: dict[str, int] = {}
    for token, number in fixed.items():
        if isinstance(number, int) and 0 <= number < size and number not in out.values():
            out[token] = number
    loose = [token for token in (*fixed, unknown, *row.get("marks", ()), *_WORDS) if token not in out]
    free = (number for number in range(size) if number not in set(out.values()))
    return out | dict(zip(dict.fromkeys(loose), free, strict=False))


_WORDS = "a the of in on and with photo picture cat dog red blue 0 1 2 3 4 5 6 7 8 9 . , : \n".split(" ")


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
            config = phantom_rows.merged(found.get("config", {}), spec.get("config", {}))
            inner[part] = _class(spec["class"], {})(**filled(config, scope))
    template = {"chat_template": inner["tokenizer"].chat_template} if "tokenizer" in inner else {}
    found = _class(class_name, row)
    lenient = {"check_argument_for_proper_class": lambda self, name, given: type(given)}  # it looks for classes of torchvision
    return type(found.__name__, (found,), lenient)(**inner, **(template if row.get("takes_template", True) else {}), **filled(row.get("config", {}), scope))


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
