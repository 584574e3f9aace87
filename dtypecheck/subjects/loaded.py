"""What a script asks for when it loads a pipeline or a model: the request that its files have to be judged under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..dtypes import DType
from ..findings import Where
from .cases import Map, Value
from .scripts import Script, Thing

_ON_CUDA: Final = "torch.cuda.is_available()"
_ADAPTS: Final = ("pretrained_model_name_or_path_or_dict", "pretrained_model_name_or_path", "model_id")
"""Which argument of a call that adds an adapter names its files, where it is named."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline or a model as a script runs it. repo: what it was loaded from, as the script spells it.

    dtypes: component to dtype, "" for all the rest; empty where it is loaded without a dtype, None where that is not known.
    variant: of its files. adapter: True for what is added to a model (a LoRA, an IP adapter, an embedding).
    """

    repo: str
    where: Where
    dtypes: Mapping[str, DType] | None = None
    variant: str | None = None
    adapter: bool = False

    @property
    def asked(self) -> str | None:
        """The dtypes as --dtype spells them, None for none."""
        named = sorted((self.dtypes or {}).items())
        return ",".join(f"{name}={dtype.torch}" if name else dtype.torch for name, dtype in named) or None


def loaded_by(script: Script, device: str | None) -> tuple[Loaded, ...]:
    """The pipelines and models of a script that come from a place which is known, each way to load one once."""
    found: dict[tuple[object, ...], Loaded] = {}
    for thing in (*(pipeline for pipeline, _ in script.pipelines), *_models(script)):
        repo, call = thing.repo.text, script.call(thing.loader)
        part = thing.kind != "pipeline" and thing.loads is not None and thing.loads.kind == "pipeline"
        if repo is None or call is None or part:
            continue
        named = call.argument("variant")
        variant = named.value.single if named else None
        known = variant is None or isinstance(variant, str)
        made = Loaded(repo, call.where, _dtypes(thing, device) if known else None, variant if isinstance(variant, str) else None)
        found.setdefault((repo, made.asked, made.dtypes is None, made.variant), made)
    return (*found.values(), *_adapters(script))


def _adapters(script: Script) -> Iterator[Loaded]:
    """What the script adds to its models out of files, each once."""
    found: dict[str, Loaded] = {}
    for call in script.calls:
        if call.means == "adapts":
            named = call.argument(*_ADAPTS, position=0 if call.what.startswith(".") else 1)
            if named is not None and (repo := named.value.text):
                found.setdefault(repo, Loaded(repo, call.where, adapter=True))
    yield from found.values()


def _models(script: Script) -> Iterator[Thing]:
    """The models that have a folder of their own and a dtype that is known, as they are in the end."""
    last: dict[int, Thing] = {}
    for call in script.calls:
        for thing in (call.target, call.result):
            if thing is not None and thing.kind == "model":
                last[thing.number] = thing
    for thing in last.values():
        loader = script.call(thing.loader)
        if loader is not None and loader.argument("subfolder") is None and thing.dtype.dtype is not None:
            yield thing


def _dtypes(thing: Thing, device: str | None) -> Mapping[str, DType] | None:
    """What is asked for by part; None where any of it is not known."""
    asked = list(dict.fromkeys(map(_hashable, _there(thing.dtype, device))))
    if len(asked) != 1:
        return None
    found = _named(asked[0])
    for name, value in thing.fields.items():
        part = value.single
        absent = thing.loads is not None and thing.loads.named(name) is None  # a ControlNet is no part of the folder
        if isinstance(part, Thing) and part.kind == "model" and not absent:
            own = part.dtype.dtype
            if found is None or own is None or "" not in found:
                return None
            if own is not found[""] or name in found:
                found[name] = own
    return found


def _there(value: Value, device: str | None) -> Iterator[Any]:
    """What a value may be on that device: without one, or on a GPU, CUDA is there."""
    cuda = device not in ("cpu", "mps", "xpu")
    for case, content in value.ways:
        if not any(subject == _ON_CUDA and not compared and holds != cuda for subject, compared, holds in case):
            yield content


def _hashable(content: Any) -> Any:
    return tuple(content.items.items()) if isinstance(content, Map) and content.whole else content


def _named(content: Any) -> dict[str, DType] | None:
    if content is None:
        return {}
    if isinstance(content, DType):
        return {"": content}
    if not isinstance(content, tuple):
        return None
    found: dict[str, DType] = {}
    for name, value in content:
        if value.dtype is None:
            return None
        found["" if name == "default" else name] = value.dtype
    return found
