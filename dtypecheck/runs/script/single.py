"""`from_single_file` as a script meets it: the configs come from a folder of the same pipeline, and every part gets one dtype."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from ...files import place
from ...read.layout import Reader
from ...subjects import Component, Pipeline
from ..phantoms import component as phantom
from . import asked
from .loaders import model, pipeline
from .places import MissingModel, file_of
from .session import Loader, Session

_NAMES: Final = ("pretrained_model_link_or_path", "pretrained_model_link_or_path_or_dict")


def pipelines(session: Session) -> Loader:
    """In place of FromSingleFileMixin.from_single_file."""

    def make(real: Loader) -> Loader:
        def from_single_file(cls: type, *args: Any, **kwargs: Any) -> Any:
            name = args[0] if args else kwargs.pop(_NAMES[0])
            root, _ = _configs(session, name, kwargs)
            found = session.read(root, ("pipeline",))
            if found is None:
                raise OSError(f"Error no file named model_index.json found in directory {root}.")
            request = asked.of_model({**kwargs, "variant": None}, "diffusers")
            whole = replace(found, root=str(name), components=tuple(_single(part) for part in found.components))
            return pipeline(session, cls, whole, root, request, kwargs)

        return from_single_file

    return make


def models(session: Session) -> Loader:
    """In place of FromOriginalModelMixin.from_single_file."""

    def make(real: Loader) -> Loader:
        def from_single_file(cls: type, *args: Any, **kwargs: Any) -> Any:
            name = args[0] if args else next(kwargs.pop(key) for key in reversed(_NAMES) if key in kwargs)
            root, subfolder = _configs(session, name, kwargs)
            subfolder = str(kwargs.get("subfolder") or subfolder)
            options = {key: value for key, value in kwargs.items() if key != "config"}
            return model(session, cls, root, subfolder, "single-file", asked.of_model(kwargs, "diffusers"), options)

        return from_single_file

    return make


def _single(part: Component) -> Component:
    """A component as a part of one file: no keep list of diffusers holds, no config of its own says a dtype."""
    return replace(part, family="single-file", declared=None, sets=())


def _configs(session: Session, name: Any, options: Mapping[str, Any]) -> tuple[Path, str]:
    """The folder with the configs of what a single file holds, and the folder inside it of a lone model.

    Given by `config=`, else the repository that diffusers takes for a file with such keys. errors: MissingModel.
    """
    if isinstance(options.get("config"), (str, Path)):
        return session.folder(options["config"], options), ""
    file, hub = file_of(name, session.models)
    if file is not None and file.is_dir():
        return file, ""
    if file is None:
        raise MissingModel(hub)
    listing = importlib.import_module("diffusers.loaders.single_file_utils")
    with session.world.fake:
        keys = {key: torch.empty(shape, dtype=dtype) for key, shape, dtype in _tensors(session, file)}
        usual = listing.fetch_diffusers_config(keys)
    return session.folder(usual["pretrained_model_name_or_path"], {}), str(usual.get("subfolder") or "")


def _tensors(session: Session, file: Path) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    found = [reading.pipeline for reading in Reader(place(file), session.known).readings() if reading.pipeline]
    return [
        (tensor.key, tuple(tensor.shape), phantom.to_torch(tensor.dtype))
        for tensor in _all(found)
        if hasattr(torch, tensor.dtype.torch)
    ]


def _all(found: list[Pipeline]) -> list[Any]:
    inside = [tensor for it in found for part in it.components for chosen in part.sets for _, tensor in chosen.tensors()]
    return inside + [tensor for it in found for file in it.loose for tensor in file.tensors or ()]
