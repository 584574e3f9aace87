"""The savers of the libraries that do not go through `open`: caught by what they are called with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from .changes import Changes
from .session import Session
from .writes import full

FUNCTIONS: Final[Mapping[str, Mapping[str, int]]] = {
    "safetensors.torch": {"save_file": 1, "save_model": 1},
    "safetensors.numpy": {"save_file": 1},
    "diffusers.utils": {"export_to_video": 1, "export_to_gif": 1, "export_to_ply": 1, "export_to_obj": 1},
    "diffusers.utils.export_utils": {"export_to_video": 1, "export_to_gif": 1, "export_to_ply": 1, "export_to_obj": 1},
    "imageio": {"imwrite": 0, "imsave": 0, "mimwrite": 0, "mimsave": 0, "volwrite": 0},
    "imageio.v2": {"imwrite": 0, "imsave": 0, "mimwrite": 0, "mimsave": 0, "volwrite": 0},
    "imageio.v3": {"imwrite": 0},
    "cv2": {"imwrite": 0},
    "soundfile": {"write": 0},
    "torchaudio": {"save": 0},
    "torchvision.io": {"write_video": 0, "write_jpeg": 1, "write_png": 1},
    "tifffile": {"imwrite": 0},
}
"""Functions by module, each with the place of the path among its arguments."""
_PATHS: Final = ("filename", "output_video_path", "output_gif_path", "output_ply_path", "output_obj_path", "uri", "file", "f")
_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "diffusers.pipelines.pipeline_utils": ("DiffusionPipeline",),
    "diffusers.models.modeling_utils": ("ModelMixin",),
    "transformers.modeling_utils": ("PreTrainedModel",),
    "diffusers.configuration_utils": ("ConfigMixin",),
    "diffusers.schedulers.scheduling_utils": ("SchedulerMixin",),
    "transformers.configuration_utils": ("PreTrainedConfig",),
    "transformers.tokenization_utils_base": ("PreTrainedTokenizerBase",),
    "transformers.processing_utils": ("ProcessorMixin",),
    "transformers.image_processing_base": ("ImageProcessingMixin",),
    "transformers.feature_extraction_utils": ("FeatureExtractionMixin",),
    "transformers.generation.configuration_utils": ("GenerationConfig",),
}
"""Classes whose `save_pretrained` writes a folder."""


def wanted(session: Session) -> dict[str, Callable[[ModuleType], None]]:
    """What to do with each module when it is there."""

    def functions(module: ModuleType) -> None:
        for name, position in FUNCTIONS[module.__name__].items():
            session.changes.wrap(module, name, _caught(session, position))

    def methods(module: ModuleType) -> None:
        for name in _METHODS[module.__name__]:
            for method in ("save_pretrained", "save_config", "save_lora_adapter", "push_to_hub"):
                session.changes.wrap(getattr(module, name), method, _folder(session))

    found: dict[str, Callable[[ModuleType], None]] = dict.fromkeys(FUNCTIONS, functions)
    return found | dict.fromkeys(_METHODS, methods)


def torch_save(session: Session, changes: Changes) -> None:
    """torch.save writes by itself."""
    import torch

    changes.wrap(torch, "save", _caught(session, 1))


def _caught(session: Session, position: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def saved(*args: Any, **kwargs: Any) -> Any:
            path = args[position] if len(args) > position else next((kwargs[key] for key in _PATHS if key in kwargs), None)
            if path is None:
                path = f"a file of {real.__name__}"
            elif hasattr(path, "write"):
                path = getattr(path, "name", "a stream")
            session.writes.note(path)
            if isinstance(path, (str, os.PathLike)):
                session.writes.files[full(path)] = b""
            return os.fspath(path) if isinstance(path, (str, os.PathLike)) else path

        return saved

    return make


def _folder(session: Session) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def saved(_self: Any, place: Any = "", *args: Any, **kwargs: Any) -> None:
            place = place or kwargs.get("save_directory") or f"a repository ({real.__name__})"
            session.writes.note(f"{os.fspath(place).rstrip('/')}/")
            session.writes.folders.add(full(place))

        return saved

    return make
