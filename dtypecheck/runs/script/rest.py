"""What a script loads besides weights: tokenizers, processors, schedulers; real where their files are, else stand-ins."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from ..phantoms import rows as phantom_rows
from ..phantoms.substitutes import ANY_TOKENIZER, CannotSubstitute, substitute
from ..phantoms.tokens import has_words
from .loaders import named
from .session import Loader, Session

_CHAT: Final = "{% for message in messages %}{{ message['content'] }} {% endfor %}"

_BARE: Final = (ANY_TOKENIZER, "TokenizersBackend", "PreTrainedTokenizerFast")


def located(session: Session) -> Loader:
    """A loader that is the real one, and is given the folder in place of a hub id."""

    def make(real: Loader) -> Loader:
        def load(cls: type, *args: Any, **kwargs: Any) -> Any:
            name, rest = named(args, kwargs)
            if isinstance(name, Mapping) or name is None:
                return real(cls, name, *rest, **kwargs)
            folder = session.folder(name, kwargs)
            return real(cls, str(folder), *rest, **_local(kwargs))

        return load

    return make


def stood_in(session: Session) -> Loader:
    """The same for a tokenizer or processor: where its files do not give it, one of our own."""

    def make(real: Loader) -> Loader:
        def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
            name, rest = named(args, kwargs)
            folder, inner = session.folder(name, kwargs), str(kwargs.get("subfolder") or "")
            if has_words(cls, folder / inner):
                with session.writes.freely(), contextlib.suppress(Exception):  # what the files cannot give is stood in for
                    return real(cls, str(folder), *rest, **_local(kwargs))
            return _stand_in(session, cls, folder, inner)

        return from_pretrained

    return make


def schedulers(session: Session) -> Loader:
    """In place of SchedulerMixin.from_pretrained: without its file, a scheduler of the class's own defaults."""

    def make(real: Loader) -> Loader:
        def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
            name, rest = named(args, kwargs)
            folder = session.folder(name, kwargs)
            if (folder / str(kwargs.get("subfolder") or "") / "scheduler_config.json").is_file():
                return real(cls, str(folder), *rest, **_local(kwargs))
            session.note(f"{cls.__name__}: with its own defaults, its file is not there")
            return cls()

        return from_pretrained

    return make


def _local(options: dict[str, Any]) -> dict[str, Any]:
    """The options without what only means something on the hub, and without leave to run a model's own code."""
    kept = {key: value for key, value in options.items() if key not in ("revision", "cache_dir", "force_download")}
    return kept | ({"trust_remote_code": False} if "trust_remote_code" in kept else {})


def _stand_in(session: Session, cls: type, folder: Path, subfolder: str) -> Any:
    """A tokenizer or processor sized after the model beside it."""
    name = subfolder.strip("/").rpartition("/")[2]
    wanted = _class(cls, folder / subfolder)
    row = phantom_rows.row(f"part:{name}", session.known)
    name = (
        name if row else ("tokenizer" if "Tokenizer" in wanted else "processor" if "Processor" in wanted else "feature_extractor")
    )
    fed = phantom_rows.row(f"part:{name}", session.known).get("of", ("text_encoder",))
    parts = {part: SimpleNamespace(config=config) for part in fed if (config := _config(folder, part)) is not None}
    made = substitute(name, wanted, parts, session.known)
    if made is None:
        raise CannotSubstitute(f"{name}: nothing can stand in for {wanted}")
    inner = getattr(made, "tokenizer", made)
    if hasattr(inner, "chat_template") and inner.chat_template is None:
        inner.chat_template = _CHAT
    word = wanted if hasattr(importlib.import_module("transformers"), wanted) and wanted not in _BARE else "one"
    session.note(f"{subfolder or name}: {word} of our own, its files are not there or cannot be read")
    return made


def _class(cls: type, place: Path) -> str:
    """The class of a stand-in: what the script names, else what the files name."""
    if not cls.__name__.startswith("Auto"):
        return cls.__name__
    for file, key in (("tokenizer_config.json", "tokenizer_class"), ("preprocessor_config.json", "image_processor_type")):
        if (place / file).is_file():
            said = json.loads((place / file).read_text("utf-8")).get(key)
            if isinstance(said, str):
                return said
    return ANY_TOKENIZER if "Tokenizer" in cls.__name__ else cls.__name__.removeprefix("Auto")


def _config(folder: Path, part: str) -> Any:
    """The config of the model that a tokenizer feeds: of the part beside it, else of the folder itself."""
    place = next((it for it in (folder / part, folder) if (it / "config.json").is_file()), None)
    if place is None:
        return None
    reader = importlib.import_module("transformers").AutoConfig
    try:
        return reader.from_pretrained(str(place), local_files_only=True)
    except Exception:  # noqa: BLE001 - a config of a class that this version does not know
        return json.loads((place / "config.json").read_text("utf-8"))
