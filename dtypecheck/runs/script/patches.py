"""Which functions of which library are others while a script is rehearsed: one line for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Final

from ..device import here
from ..doors import caller
from . import calls, loaders, rest, savers, single
from .session import Loader, Session

_ADAPTERS: Final[Mapping[str, str]] = {
    "diffusers.loaders.lora_pipeline": "lora",
    "diffusers.loaders.lora_base": "lora",
    "diffusers.loaders.peft": "lora",
    "diffusers.loaders.unet": "lora",
    "diffusers.loaders.ip_adapter": "ip_adapter",
    "diffusers.loaders.textual_inversion": "textual_inversion",
}
_LOADS: Final = (
    "load_lora_weights", "load_lora_into_unet", "load_lora_into_text_encoder", "load_lora_into_transformer", "load_lora_adapter",
    "load_ip_adapter", "load_textual_inversion", "load_attn_procs",
)  # fmt: skip
_USES: Final = (
    "set_adapters", "set_adapter", "fuse_lora", "unfuse_lora", "unload_lora_weights", "unload_lora", "delete_adapters",
    "enable_lora", "disable_lora", "enable_adapters", "disable_adapters", "set_lora_device", "enable_lora_hotswap",
    "set_ip_adapter_scale", "unload_ip_adapter", "unload_textual_inversion",
)  # fmt: skip
_OFFLOADS: Final = (
    "enable_model_cpu_offload", "enable_sequential_cpu_offload", "enable_group_offload", "reset_device_map",
    "enable_xformers_memory_efficient_attention", "disable_xformers_memory_efficient_attention", "set_attention_backend",
)  # fmt: skip
"""What changes only where and how fast something runs."""


def wanted(session: Session) -> dict[str, Callable[[ModuleType], None]]:
    """What to do with each module when it has been imported."""
    found: dict[str, list[Callable[[ModuleType], None]]] = {}
    for table in (_loaders(session), _others(session), savers.wanted(session)):
        for name, act in table.items():
            found.setdefault(name, []).append(act)
    return {name: partial(_all, acts) for name, acts in found.items()}


def _all(acts: list[Callable[[ModuleType], None]], module: ModuleType) -> None:
    for act in acts:
        act(module)


def _loaders(session: Session) -> dict[str, Callable[[ModuleType], None]]:
    def loading(classes: tuple[str, ...], method: str, make: Loader) -> Callable[[ModuleType], None]:
        def act(module: ModuleType) -> None:
            for name in classes:
                if hasattr(module, name):
                    session.changes.wrap(getattr(module, name), method, make)

        return act

    located, stood_in = rest.located(session), rest.stood_in(session)
    load = "from_pretrained"

    def copies(module: ModuleType) -> None:
        """Each of the Auto classes has a copy of the loader, which is changed already only where that was when it was taken."""
        loading(tuple(name for name, value in vars(module).items() if isinstance(value, type)), load, located)(module)

    return {
        "diffusers.models.modeling_utils": loading(("ModelMixin",), load, loaders.models(session, "diffusers")),
        "diffusers.models.auto_model": loading(("AutoModel",), load, located),
        "diffusers.loaders.single_file": loading(("FromSingleFileMixin",), "from_single_file", single.pipelines(session)),
        "diffusers.loaders.single_file_model": loading(("FromOriginalModelMixin",), "from_single_file", single.models(session)),
        "diffusers.schedulers.scheduling_utils": loading(("SchedulerMixin",), load, rest.schedulers(session)),
        "diffusers.configuration_utils": loading(("ConfigMixin",), "load_config", located),
        "transformers.modeling_utils": loading(("PreTrainedModel",), load, loaders.models(session, "transformers")),
        "transformers.models.auto.auto_factory": loading(("_BaseAutoModelClass",), load, located),
        "transformers.models.auto.modeling_auto": copies,
        "transformers.models.auto.configuration_auto": loading(("AutoConfig",), load, located),
        "transformers.configuration_utils": loading(("PreTrainedConfig", "PretrainedConfig"), "get_config_dict", located),
        "transformers.generation.configuration_utils": loading(("GenerationConfig",), load, located),
        "transformers.models.auto.tokenization_auto": loading(("AutoTokenizer",), load, stood_in),
        "transformers.models.auto.processing_auto": loading(("AutoProcessor",), load, stood_in),
        "transformers.models.auto.image_processing_auto": loading(("AutoImageProcessor",), load, stood_in),
        "transformers.models.auto.feature_extraction_auto": loading(("AutoFeatureExtractor",), load, stood_in),
        "transformers.tokenization_utils_base": loading(("PreTrainedTokenizerBase",), load, stood_in),
        "transformers.processing_utils": loading(("ProcessorMixin",), load, stood_in),
        "transformers.image_processing_base": loading(("ImageProcessingMixin",), load, stood_in),
        "transformers.feature_extraction_utils": loading(("FeatureExtractionMixin",), load, stood_in),
    }


def _others(session: Session) -> dict[str, Callable[[ModuleType], None]]:
    def pipelines(module: ModuleType) -> None:
        whole = module.DiffusionPipeline
        session.changes.wrap(whole, "from_pretrained", loaders.pipelines(session))
        session.changes.wrap(whole, "__setattr__", _taking(session))
        _silence(session, whole, _OFFLOADS)

    def autos(module: ModuleType) -> None:
        for name in dir(module):
            if name.startswith("AutoPipeline"):
                session.changes.wrap(getattr(module, name), "from_pretrained", rest.located(session))

    def generation(module: ModuleType) -> None:
        session.changes.wrap(module.GenerationMixin, "generate", calls.generate(session))

    def tasks(module: ModuleType) -> None:
        session.changes.wrap(module, "pipeline", _task(session))

    def peft(module: ModuleType) -> None:
        session.changes.wrap(module.PeftModel, "from_pretrained", _peft(session))

    def tensors(module: ModuleType) -> None:
        for name in ("load_file", "safe_open"):
            session.changes.wrap(module, name, _on_cpu)

    def packing(module: ModuleType) -> None:
        session.changes.wrap(module.BitsAndBytesConfig, "post_init", _unpacked)

    def downloads(module: ModuleType) -> None:
        for name in ("hf_hub_download", "snapshot_download"):
            session.changes.wrap(module, name, _download(session))

    def pictures(module: ModuleType) -> None:
        session.changes.wrap(module, "load_image", _picture(session))

    found: dict[str, Callable[[ModuleType], None]] = {
        "diffusers.pipelines.pipeline_utils": pipelines,
        "diffusers.pipelines.auto_pipeline": autos,
        "diffusers.models.modeling_utils": lambda module: _silence(session, module.ModelMixin, _OFFLOADS),
        "transformers.generation.utils": generation,
        "transformers.pipelines": tasks,
        "peft.peft_model": peft,
        "huggingface_hub.file_download": downloads,
        "huggingface_hub._snapshot_download": downloads,
        "safetensors": tensors,
        "safetensors.torch": tensors,
        "transformers.utils.quantization_config": packing,
        "diffusers.quantizers.quantization_config": packing,
        "diffusers.utils": pictures,
        "diffusers.utils.loading_utils": pictures,
    }
    return found | {name: partial(_adapters, session, kind) for name, kind in _ADAPTERS.items()}


def _taking(session: Session) -> Loader:
    """A pipeline that is given a component: it gets its name there, and the pipeline's call is watched."""

    def make(real: Loader) -> Loader:
        def set_attribute(pipeline: Any, name: str, value: Any) -> None:
            real(pipeline, name, value)
            if not hasattr(value, "named_parameters") or name.startswith("_"):
                return
            session.adopt(name, value, next((part.role for it in session.pipelines if (part := it.named(name))), ""))
            for base in type(pipeline).__mro__:
                if "__call__" in vars(base):
                    session.changes.once(base, "__call__", calls.shortened(session))
                    break

        return set_attribute

    return make


def _silence(session: Session, place: type, names: tuple[str, ...]) -> None:
    for name in names:
        if name in vars(place):
            session.changes.change(place, name, lambda *_, **__: None)


def _adapters(session: Session, kind: str, module: ModuleType) -> None:
    """Adapters bring numbers, and no dtype that would change what meets what: they are left out, and said to be."""

    def left_out(name: str) -> Callable[..., None]:
        def load(*_: object, **__: object) -> None:
            session.skipped.add(kind)
            session.note(f"{name}: left out, a rehearsal has no numbers to adapt")

        return load

    for place in [found for found in vars(module).values() if isinstance(found, type) and found.__module__ == module.__name__]:
        for name in _LOADS:
            if name in vars(place):
                session.changes.change(place, name, left_out(name))
        _silence(session, place, _USES)
        for name, value in (("get_active_adapters", []), ("get_list_adapters", {})):
            if name in vars(place):
                session.changes.change(place, name, lambda *_, value=value, **__: value)


def _task(session: Session) -> Loader:
    """transformers.pipeline(task, model): the folder in place of a hub id."""

    def make(real: Loader) -> Loader:
        def pipeline(task: Any = None, model: Any = None, *args: Any, **kwargs: Any) -> Any:
            if isinstance(model, str):
                model = str(session.folder(model, kwargs))
            return real(task, model, *args, **kwargs)

        return pipeline

    return make


def _on_cpu(real: Loader) -> Loader:
    """Tensors of a file are put on the CPU, which stands for the device."""

    def load(file: Any, *args: Any, **kwargs: Any) -> Any:
        return real(file, *map(here, args), **{key: here(value) if key == "device" else value for key, value in kwargs.items()})

    return load


def _download(session: Session) -> Loader:
    """What a script fetches by itself is taken from the folders it was given, never from the network."""

    def make(real: Loader) -> Loader:
        def fetch(repo_id: str, filename: str = "", *args: Any, **kwargs: Any) -> Any:
            frame = caller()
            if frame is None or not session.script.owns(frame.f_code.co_filename):
                return real(repo_id, *([filename] if filename else []), *args, **kwargs)
            place = session.folder(repo_id, kwargs) / str(kwargs.get("subfolder") or "") / filename
            if not place.exists():
                raise FileNotFoundError(f"{filename} is not in the folder given for {repo_id}")
            return str(place)

        return fetch

    return make


def _unpacked(real: Loader) -> Loader:
    """The settings of a packing are only settings: the library that packs need not be installed."""

    def check(settings: Any) -> None:
        with contextlib.suppress(ImportError):
            real(settings)

    return check


def _peft(session: Session) -> Loader:
    def make(_real: Loader) -> Loader:
        def from_pretrained(_cls: type, model: Any, *_: object, **__: object) -> Any:
            session.note("PeftModel: left out, a rehearsal has no numbers to adapt")
            model.__dict__["merge_and_unload"] = lambda *_, **__: model
            return model

        return from_pretrained

    return make


def _picture(session: Session) -> Loader:
    """A picture from the network is one of our own."""

    def make(real: Loader) -> Loader:
        def load_image(image: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(image, str) and image.startswith(("http://", "https://")):
                from ..phantoms.pictures import picture

                session.note(f"{image.rpartition('/')[2]}: a picture of our own, nothing is fetched")
                return picture(1024, 1024)
            return real(image, *args, **kwargs)

        return load_image

    return make
