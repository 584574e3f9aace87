"""What a rehearsal leaves in its process: nothing that a later one, or whoever lives on in it, could stumble over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from dtypecheck.runs.doors import caller, door, renamed
from dtypecheck.runs.pretend import replaced
from dtypecheck.runs.script.changes import Changes

TWO = """
import json, os, sys, types
from pathlib import Path
from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.script import rehearse_script

assert not {"diffusers", "transformers", "huggingface_hub"} & set(sys.modules)
folder, before = Path(sys.argv[1]), dict(os.environ)
told = {"ends": []}
for script, model in (("one.py", "some/model"), ("two.py", "other/model")):
    run = rehearse_script(Path(script), (), Knowledge(), "cuda", {model: folder})
    told["ends"].append([run.verdict, run.reason, list(run.written)])

import diffusers, huggingface_hub.constants, safetensors.torch, torch, transformers, warnings
from diffusers.utils import hub_utils, torch_utils

told["offline"] = [huggingface_hub.constants.HF_HUB_OFFLINE, hub_utils.HF_HUB_OFFLINE]
told["telemetry"] = huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
told["device"] = [torch_utils.torch_device, torch_utils.TorchDeviceBackend._detect_device_type()]
told["environment"] = before == dict(os.environ)

def ours(value):
    return isinstance(value, types.FunctionType) and "/dtypecheck/runs/" in value.__code__.co_filename.replace("\\\\", "/")

told["names"] = sorted(
    f"{name}.{key}"
    for name, module in list(sys.modules.items())
    if isinstance(module, types.ModuleType) and not name.startswith(("dtypecheck", "__m"))
    for key, value in list(vars(module).items())
    if ours(value)
)
model = transformers.AutoModel.from_pretrained(folder)
told["real"] = type(next(model.parameters())).__name__
model.save_pretrained("saved")
transformers.modeling_utils.safe_save_file({"x": torch.ones(1)}, "x.safetensors")
diffusers.utils.export_to_gif([__import__("PIL.Image").Image.new("RGB", (8, 8))] * 2, "x.gif")
told["files"] = sorted(path.as_posix() for path in Path(".").glob("**/*") if path.suffix in (".safetensors", ".gif"))
with warnings.catch_warnings(record=True) as heard:
    warnings.warn("still only a warning")
print(json.dumps(told))
"""
SCRIPT = """
import sys
import warnings
import diffusers
from diffusers.utils import export_to_gif, load_image
from huggingface_hub import hf_hub_download
from transformers import AutoModel, pipeline
from safetensors.torch import save_file
warnings.simplefilter("error")
model = AutoModel.from_pretrained("MODEL")
open(hf_hub_download("MODEL", "config.json")).close()
pipeline("feature-extraction", "MODEL")
load_image("https://example.org/cat.png")
model.save_pretrained("saved")
save_file({}, "y.safetensors")
export_to_gif([], "y.gif")
sys.stdout = None
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process says in which two scripts were rehearsed, each with a model of its own."""
    from transformers import BertConfig, BertModel

    place = tmp_path_factory.mktemp("left")
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 30}
    BertModel(BertConfig(**small)).save_pretrained(place / "bert")
    for script, model in (("one.py", "some/model"), ("two.py", "other/model")):
        (place / script).write_text(SCRIPT.replace("MODEL", model))
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", TWO, "bert"],
        cwd=place,
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_second_script_finds_its_own_models_and_is_rehearsed_as_the_first_was(told: dict[str, Any]) -> None:
    first, second = told["ends"]
    assert first == second == ["runs", "", ["saved/", "y.safetensors", "y.gif"]]


def test_libraries_that_came_with_a_rehearsal_are_online_and_know_the_device_that_is_there(told: dict[str, Any]) -> None:
    here = "cuda" if torch.cuda.is_available() else "cpu"
    assert (told["offline"], told["telemetry"], told["device"]) == ([False, False], False, [here, here])
    assert told["environment"]


def test_no_module_keeps_a_function_of_a_rehearsal(told: dict[str, Any]) -> None:
    assert told["names"] == []


def test_what_is_loaded_and_saved_after_a_rehearsal_is_real(told: dict[str, Any]) -> None:
    assert told["real"] == "Parameter"
    assert told["files"] == ["bert/model.safetensors", "saved/model.safetensors", "x.gif", "x.safetensors"]


def test_who_took_a_copy_of_a_replaced_function_has_the_real_one_afterwards() -> None:
    place = types.SimpleNamespace(name=lambda: "real")
    with replaced(place, "name", lambda: "ours"):
        copy = place.name
        assert copy() == "ours"
    assert (copy(), place.name()) == ("real", "real")


def test_a_class_that_copied_a_changed_loader_has_the_real_one_afterwards() -> None:
    class Base:
        @classmethod
        def load(cls) -> str:
            return f"real {cls.__name__}"

    class Copied:
        pass

    with Changes(doors=True) as changes:
        changes.wrap(Base, "load", lambda real: lambda cls: f"ours for {cls.__name__}, {real(cls)}")
        function = vars(Base)["load"].__func__
        copy = types.FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
        Copied.load = classmethod(copy)  # type: ignore[attr-defined]
        assert Copied.load() == "ours for Copied, real Copied"  # type: ignore[attr-defined]
    assert Copied.load() == "real Copied"  # type: ignore[attr-defined]
    assert Base.load() == "real Base"


def test_a_name_in_another_module_is_changed_with_the_function_and_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    library, user = types.ModuleType("a_library"), types.ModuleType("a_user")
    vars(library)["save"] = vars(user)["keep"] = real = lambda: "real"
    for module in (library, user):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with Changes(doors=True) as changes:
        changes.wrap(library, "save", lambda _: lambda: "ours")
        assert vars(user)["keep"]() == "real"
        changes.elsewhere()
        assert vars(user)["keep"]() == "ours"
        late = types.ModuleType("a_late_one")
        monkeypatch.setitem(sys.modules, "a_late_one", late)
        vars(late)["mine"] = vars(library)["save"]
    assert (vars(library)["save"], vars(user)["keep"], vars(late)["mine"]) == (real, real, real)


def test_a_class_that_a_new_module_took_is_the_real_one_of_that_name_again(monkeypatch: pytest.MonkeyPatch) -> None:
    library, late = types.ModuleType("a_library"), types.ModuleType("a_late_one")
    monkeypatch.setitem(sys.modules, "a_library", library)

    class Ours:
        pass

    vars(library).update(Stream=int, Event=float)
    with Changes(doors=True) as changes:
        for name in ("Stream", "Event"):
            changes.change(library, name, Ours)
        monkeypatch.setitem(sys.modules, "a_late_one", late)
        vars(late).update(vars(library), mine=Ours)
    assert (vars(late)["Stream"], vars(late)["Event"], vars(late)["mine"]) == (int, float, Ours)


def test_our_own_modules_keep_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    user = types.ModuleType("a_user")
    vars(user)["door"] = door
    monkeypatch.setitem(sys.modules, "a_user", user)
    renamed({id(door): None}, ["dtypecheck.runs.doors", "a_user", "nowhere"])
    assert (vars(user)["door"], vars(sys.modules["dtypecheck.runs.doors"])["door"]) == (None, door)


def test_who_called_a_replaced_function_is_known_in_spite_of_the_door() -> None:
    place = types.SimpleNamespace(name=lambda: "")

    def ours() -> str:
        frame = caller()
        return frame.f_code.co_name if frame else ""

    with replaced(place, "name", ours):
        assert place.name() == "test_who_called_a_replaced_function_is_known_in_spite_of_the_door"
