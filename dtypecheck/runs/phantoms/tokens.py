"""A tokenizer of whole words that lives in memory, whose ids fit a text encoder's vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...knowledge import Row
from .rows import value_in


def tokenizer(row: Row, config: Any) -> Any:
    """A fast tokenizer made from a row and the config of the text encoder: special ids are the config's where it has them.

    row: `special` (attribute: token), `tokens` (token: config key with its id), `marks` (further special tokens), `frame`
    (the tokens before and after a text), `length`, `chat_template`, `named` (further attributes that hold a
    token), `is_a` (a class of transformers that it says it is).
    """
    import transformers
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    special: Mapping[str, str] = row.get("special", {})
    unknown = special.get("unk_token", "<unk>")
    vocabulary = _vocabulary(row, config, unknown)
    engine = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    engine.pre_tokenizer = pre_tokenizers.Split(Regex(r"\n|\w+|[^\w\s]"), behavior="removed", invert=True)
    before, after = row.get("frame", ("", ""))
    pieces = [(mark, vocabulary[mark]) for mark in dict.fromkeys((before, after)) if mark]
    if pieces:
        one, two = ([mark for mark in line if mark] for line in ((before, "$A:0", after), (before, "$A:0", after, "$B:1", after)))
        engine.post_processor = processors.TemplateProcessing(single=one, pair=two, special_tokens=pieces)
    kind = transformers.PreTrainedTokenizerFast
    made = (_placed(kind) if row.get("positions") else kind)(
        tokenizer_object=engine,
        model_max_length=row.get("length") or value_in(config, "max_position_embeddings", "n_positions") or 512,
        extra_special_tokens=[*row.get("tokens", {}), *row.get("marks", [])],
        padding_side=row.get("padding_side", "right"),
        **(dict(special) | {"unk_token": unknown}),
    )
    if "is_a" in row:
        made.__class__ = getattr(transformers, row["is_a"])
    made.chat_template = row.get("chat_template")
    for name, token in row.get("named", {}).items():
        setattr(made, name, token)
    return made


def _placed(kind: Any) -> Any:
    """The class of tokenizer that also gives `position_ids`, counted without the padding."""

    class Placed(kind):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            made = super().__call__(*args, **kwargs)
            made["position_ids"] = (made["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            return made

    return Placed


def _vocabulary(row: Row, config: Any, unknown: str) -> dict[str, int]:
    """Token and id: special ones where the config has them, all others at the lowest free ids."""
    size = value_in(config, "vocab_size", "text_vocab_size") or 1000
    special: Mapping[str, str] = row.get("special", {})
    fixed: dict[str, Any] = {}
    for attribute, token in special.items():  # CLIP pads with the token that ends a text, whatever its config says of padding
        fixed.setdefault(token, value_in(config, f"{attribute}_id"))
    for token, keys in row.get("tokens", {}).items():
        fixed[token] = value_in(config, *([keys] if isinstance(keys, str) else keys))
    fixed = {token: number[0] if isinstance(number, list) else number for token, number in fixed.items()}
    out: dict[str, int] = {}
    for token, number in fixed.items():
        if isinstance(number, int) and 0 <= number < size and number not in out.values():
            out[token] = number
    loose = [token for token in (*fixed, unknown, *row.get("marks", ()), *_WORDS) if token not in out]
    free = (number for number in range(size) if number not in set(out.values()))
    return out | dict(zip(dict.fromkeys(loose), free, strict=False))


_WORDS = ("a", "the", "of", "in", "on", "and", "with", "photo", "picture", "cat", "dog", "red", "blue", *".,:0123456789\n")


WORDS: Final = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "tekken.json", "bpe.codes", "vocab.bpe")
"""Files that hold a vocabulary, besides those whose suffix says so."""


def has_words(kind: type, place: Path) -> bool:
    """False for a tokenizer without a vocabulary in its folder, of which transformers makes one that knows no word."""
    if "Tokenizer" not in kind.__name__ or not getattr(kind, "vocab_files_names", True):
        return True
    return any(file.name in WORDS or file.suffix in (".model", ".tiktoken", ".spm") for file in place.glob("*"))
