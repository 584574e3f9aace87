"""Which functions of which library load, build, cast or adapt a module: one line for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Final


@dataclass(frozen=True, slots=True)
class Source:
    """A method of some classes of a library's module. classes: their names, `*` for any letters."""

    module: str
    classes: tuple[str, ...]
    method: str

    @property
    def library(self) -> str:
        """The library's name."""
        return self.module.partition(".")[0]

    def owners(self, module: ModuleType) -> Iterator[type]:
        """The classes that the installed version has."""
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and any(fnmatchcase(name, wanted) for wanted in self.classes):
                yield value


LOADERS: Final = (
    Source("diffusers.pipelines.pipeline_utils", ("DiffusionPipeline",), "from_pretrained"),
    Source("diffusers.pipelines.auto_pipeline", ("AutoPipeline*",), "from_pretrained"),
    Source("diffusers.models.modeling_utils", ("ModelMixin", "LegacyModelMixin"), "from_pretrained"),
    Source("diffusers.models.auto_model", ("AutoModel",), "from_pretrained"),
    Source("diffusers.models.auto_model", ("AutoModel",), "from_config"),
    Source("diffusers.configuration_utils", ("ConfigMixin",), "from_config"),
    Source("diffusers.loaders.single_file", ("FromSingleFileMixin",), "from_single_file"),
    Source("diffusers.loaders.single_file_model", ("FromOriginalModelMixin",), "from_single_file"),
    Source("transformers.modeling_utils", ("PreTrainedModel",), "from_pretrained"),
    Source("transformers.modeling_utils", ("PreTrainedModel",), "_from_config"),
    Source("transformers.models.auto.modeling_auto", ("Auto*",), "from_pretrained"),
    Source("transformers.models.auto.modeling_auto", ("Auto*",), "from_config"),
)
INJECTS: Final = (Source("peft.tuners.tuners_utils", ("BaseTuner",), "inject_adapter"),)
"""All ways to a LoRA lead here: diffusers, transformers, get_peft_model and PeftModel."""
ADAPTS: Final = (
    Source("diffusers.loaders.ip_adapter", ("*IPAdapterMixin",), "load_ip_adapter"),
    Source("diffusers.loaders.peft", ("PeftAdapterMixin",), "fuse_lora"),
)
CASTS: Final = ("to", "half", "float", "double", "bfloat16", "type")
"""Methods of torch.nn.Module."""
