"""`from_pretrained` as a script meets it: the same folders and requests, phantoms in place of weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...subjects import Component, Config, Pipeline, Request
from .. import folder
from ..phantoms.component import CannotBuild, build, klass
from . import asked
from .session import Loader, Session

_NAMES: Final = ("pretrained_model_name_or_path", "pretrained_model_or_path", "pretrained_model_path")
_OPTIONS: Final = frozenset(
    {
        "dtype", "torch_dtype", "device_map", "low_cpu_mem_usage", "trust_remote_code", "use_safetensors", "variant",
        "max_memory", "offload_folder", "offload_state_dict", "offload_buffers", "load_in_8bit", "load_in_4bit",
        "quantization_config", "subfolder", "output_loading_info", "token", "use_auth_token", "mirror", "adapter_kwargs",
        "adapter_name", "generation_config", "state_dict", "key_mapping", "tp_plan", "tp_size", "device_mesh", "cache_dir",
        "force_download", "local_files_only", "revision", "weights_only", "ignore_mismatched_sizes", "proxies",
        "resume_download", "code_revision", "use_kernels", "fusion_config", "disable_mmap", "config", "from_tf", "from_flax",
        "use_flash_attention_2",
    }
)  # fmt: skip
"""What `from_pretrained` keeps for itself; the rest goes into a model's config, or to a pipeline's class."""


def named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """The model that a loader is called with, taken out of its arguments, and the arguments that are left."""
    if args:
        return args[0], args[1:]
    key = next((key for key in _NAMES if key in kwargs), None)
    if key is None:
        raise TypeError("from_pretrained() was called without a model")
    return kwargs.pop(key), args


def pipelines(session: Session) -> Loader:
    """In place of DiffusionPipeline.from_pretrained."""

    def make(real: Loader) -> Loader:
        def from_pretrained(cls: type, *args: Any, **kwargs: Any) -> Any:
            name, _ = named(args, kwargs)
            root = session.folder(name, kwargs)
            found = session.read(root, ("pipeline",))
            if found is None:
                raise OSError(f"Error no file named model_index.json found in directory {name}.")
            if kwargs.get("custom_pipeline"):
                raise CannotBuild(
                    f"custom_pipeline={kwargs['custom_pipeline']!r}: code that comes with a model is never executed"
                )
            return pipeline(session, cls, replace(found, root=session.label(root)), root, asked.of_pipeline(kwargs), kwargs)

        return from_pretrained

    return make


def pipeline(session: Session, cls: type, found: Pipeline, root: Path, request: Request, options: Mapping[str, Any]) -> Any:
    """A pipeline of phantoms. root: the folder with its configs. options: those of the call, passed components among them."""
    kind = klass("diffusers", found.klass or "") if cls.__name__ == "DiffusionPipeline" else cls
    takes = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    given = {key: value for key, value in options.items() if key in takes and key not in _OPTIONS}
    own = tuple(part for part in found.components if part.name not in given and part.name in takes)
    planned = session.planned(replace(found, klass=kind.__name__, components=own), request)
    if options.get("quantization_config") is not None:
        session.note("quantization_config: plain weights in place of packed ones")
    with session.writes.freely():
        parts = folder.parts(planned, root, session.known, session.world, given, kind, whole=False)
    roles = {part.name: part.role for part in found.components}
    for text in parts.substituted:
        session.note(text)
    for name, module in folder.modules(parts.given):
        if id(module) not in session.parts:
            session.loaded(name, module, planned.named(name), alone=False)
        session.adopt(name, module, roles.get(name, ""))
    session.pipelines.append(_with_given(session, planned, parts.given, roles))
    return parts.kind(**parts.given)


def _with_given(session: Session, planned: Pipeline, given: Mapping[str, Any], roles: Mapping[str, str]) -> Pipeline:
    """The record with the components that the script loaded itself, under the names they have here."""
    components = list(planned.components)
    for name, module in folder.modules(given):
        part = session.parts.get(id(module))
        if part is not None and part.record is not None and planned.named(name) is None:
            components.append(replace(part.record, name=name, role=roles.get(name) or part.record.role))
    return replace(planned, components=tuple(components))


def models(session: Session, family: str) -> Loader:
    """In place of from_pretrained of a model class of diffusers or transformers."""

    def make(real: Loader) -> Loader:
        def from_pretrained(cls: Any, *args: Any, **kwargs: Any) -> Any:
            name, _ = named(args, kwargs)
            if name is None:
                return real(cls, None, **kwargs)
            root = session.folder(name, kwargs)
            subfolder = str(kwargs.get("subfolder") or "")
            module = model(session, cls, root, subfolder, family, asked.of_model(kwargs, family), kwargs)
            return (module, {}) if kwargs.get("output_loading_info") else module

        return from_pretrained

    return make


def model(
    session: Session, cls: Any, root: Path, subfolder: str, family: str, request: Request, options: Mapping[str, Any]
) -> Any:
    """One model of phantom parameters. root: the folder that the script names."""
    place = root / subfolder
    found = session.read(place, ("component", "model"))
    if found is None or not found.components:
        raise OSError(f"Error no file named config.json found in directory {place.as_posix()}.")
    name = subfolder.rstrip("/").rpartition("/")[2] or "model"
    part = replace(found.components[0], name=name, klass=_documented(session, cls), family=family)
    if family == "transformers":
        part = _configured(session, part, options)
    elif part.config is None:
        raise OSError(f"Error no file named config.json found in directory {place.as_posix()}.")
    planned = session.planned(replace(found, components=(part,), root=session.label(root)), request)
    part = folder.loadable(planned.components[0], planned)
    packed = [key for key in ("quantization_config", "load_in_4bit", "load_in_8bit") if options.get(key)]
    if part.quantised or packed:
        session.note(f"{name}: its packed weights, by plain ones in {(part.loads().dtype or 'float32')}")
    with session.writes.freely():
        module = build(part, family, planned.request, session.known, session.world, cls)
        _generates(module, place)
    if options.get("device_map") is not None:
        module.hf_device_map = {"": 0}
    planned = replace(planned, components=(part,))
    session.loaded(name, module, part, alone=True)
    session.lone.append(planned)
    return module


def _documented(session: Session, cls: type) -> str:
    """The class that the rows know: a script's own subclass is loaded as the class it comes from."""
    names = [base.__name__ for base in cls.__mro__]
    known = (name for name in names if session.known.rows("keep_in_fp32", name))
    return next(known, names[0])


def _configured(session: Session, part: Component, options: Mapping[str, Any]) -> Component:
    """The model with the config that the script gives, and the values it sets over it."""
    given = options.get("config")
    if given is not None and hasattr(given, "to_dict"):
        data = dict(given.to_dict())
    elif part.config is None:
        raise OSError(f"{part.label} does not appear to have a file named config.json.")
    else:
        data = dict(part.config.data)
    data |= {key: value for key, value in options.items() if key not in _OPTIONS and not key.startswith("_")}
    wanted = data.get("attn_implementation") or getattr(given, "_attn_implementation", None)
    if wanted is not None:
        data["attn_implementation"] = wanted if wanted in ("eager", "sdpa") else "sdpa"
    if wanted not in (None, "eager", "sdpa"):
        session.note(f"attn_implementation: sdpa in place of {wanted}")
    return replace(part, config=Config(part.config.path if part.config else "config.json", data))


def _generates(module: Any, place: Path) -> None:
    """The settings of generate() that lie beside the weights."""
    if (place / "generation_config.json").is_file() and hasattr(module, "generation_config"):
        module.generation_config = type(module.generation_config).from_pretrained(str(place), local_files_only=True)
