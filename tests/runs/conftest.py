"""After each test of a run, torch and the threads are as they were before it: a change that stays would spoil the next one."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensor  # noqa: E402
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack  # noqa: E402

OFFLINE = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
"""What huggingface_hub makes of the environment when it is first imported."""


def _changed() -> dict[str, Any]:
    """What a rehearsal or a watch puts its own in place of, as it is now."""
    functions = [torch._C._get_function_stack_at(at) for at in range(torch._C._len_torch_function_stack())]
    return {
        "modes of functions": functions,
        "modes of dispatch": list(_get_current_dispatch_mode_stack()),
        "Module.__call__": torch.nn.Module.__call__,
        "Module.__init__": torch.nn.Module.__init__,
        "Module._apply": torch.nn.Module._apply,
        "Tensor.numpy": torch.Tensor.numpy,
        "Tensor.tolist": torch.Tensor.tolist,
        "device of fakes": FakeTensor.device,
        "torch.nn.init": [value for name, value in vars(torch.nn.init).items() if name.endswith("_")],
        "torch.Generator": torch.Generator,
        "finders of modules": [type(finder) for finder in sys.meta_path if "dtypecheck" in type(finder).__module__],
        "offline": getattr(sys.modules.get("huggingface_hub.constants"), "HF_HUB_OFFLINE", OFFLINE),
        "autocast": torch.amp.autocast_mode.autocast.__init__,
        "cuda.is_available": torch.cuda.is_available,
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "Thread.start": threading.Thread.start,
        "levels of logs": {name: level for name in ("diffusers", "transformers") if (level := logging.getLogger(name).level)},
    }


def _is_torchs(value: object) -> bool:
    """What torch itself puts in place of its own, for good, when it first compiles."""
    return "/torch/" in getattr(getattr(value, "__code__", None), "co_filename", "").replace("\\", "/")


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves something behind, and takes modes off again, so that it is the only one that fails."""
    before = _changed()
    yield
    after = _changed()
    while torch._C._len_torch_function_stack() > len(before["modes of functions"]):
        torch._C._pop_torch_function_stack()
    for name, level in before["levels of logs"].items():
        logging.getLogger(name).setLevel(level)
    after["levels of logs"] = {name: after["levels of logs"].get(name) for name in before["levels of logs"]}
    left = [name for name, value in before.items() if after[name] != value and not _is_torchs(after[name])]
    assert not left, f"{request.node.name} leaves {left}"
