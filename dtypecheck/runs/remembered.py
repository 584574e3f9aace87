"""What libraries remember of the machine: forgotten where another one begins, so that a rehearsal's device is no later run's.

They ask once whether there is a GPU, behind `lru_cache` or when they are imported, and keep small tensors that they made there.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

_LIBRARIES: Final = ("transformers", "diffusers", "accelerate", "peft", "huggingface_hub")
_ASKING: Final = re.compile(r"\.(import_utils|imports|environment|torch_utils|utils|_http)$")
"""Modules whose cached functions ask what there is."""
_TENSORS: Final = re.compile(r"\.(models|pipelines|schedulers|integrations)\.")
"""Modules whose cached functions make tensors."""
_DEVICE: Final = re.compile(
    r"cuda|rocm|mps|xpu|npu|hpu|mlu|musa|sdaa|xla|neuron|device|accelerator|gpu|fp16|bf16|tf32|fp8|flash|session"
)
"""What the name of such a function says that asks about a device; of hub's, that keeps a connection."""
_ANSWERS: Final = (
    ("diffusers.utils.torch_utils", "torch_device", "get_device"),
    ("transformers.masking_utils", "_is_torch_xpu_available", "is_torch_xpu_available"),
    ("transformers.integrations.sdpa_attention", "_is_torch_xpu_available", "is_torch_xpu_available"),
    ("transformers.integrations.fbgemm_fp8", "_is_torch_xpu_available", "is_torch_xpu_available"),
)
"""Module, the name of an answer that it got when it was imported, and whom it asked. source: diffusers 0.42, transformers 5.23"""


def ask_again() -> None:
    """The device is another one from now on: whoever asks for it is told anew."""
    for name, module in _modules():
        asking = _ASKING.search(name)
        if asking or _TENSORS.search(name):
            for cache in _caches(module):
                if not asking or _DEVICE.search(getattr(cache, "__qualname__", "").lower()):
                    cache.cache_clear()
    for name, answer, question in _ANSWERS:
        found = vars(sys.modules[name]) if name in sys.modules else {}
        if answer in found and question in found:
            found[answer] = found[question]()


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _LIBRARIES and isinstance(module, ModuleType):
            yield name, module


def _caches(module: ModuleType) -> Iterator[Any]:
    """Cached functions of a module and of its classes; of names that it has from others too."""
    for value in list(vars(module).values()):
        if isinstance(value, functools._lru_cache_wrapper):
            yield value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for inner in list(vars(value).values()):
                inner = inner.__func__ if isinstance(inner, (staticmethod, classmethod)) else inner
                if isinstance(inner, functools._lru_cache_wrapper):
                    yield inner
