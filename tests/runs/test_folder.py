"""Folders as people have them and as strangers make them: what lacks is stood in for or named, nothing in them is executed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtypecheck import api
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import NothingThere
from dtypecheck.subjects.shown import Run

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from dtypecheck.runs.phantoms.component import CannotBuild, klass
from dtypecheck.runs.phantoms.small import config_text, small

KNOWN = Knowledge()
INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "requires_safety_checker": False,
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "feature_extractor": [None, None],
    "safety_checker": [None, None],
    "image_encoder": [None, None],
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configs of a small Stable Diffusion, and nothing else."""
    folder = tmp_path_factory.mktemp("configs")
    for name, part in small("StableDiffusionPipeline", KNOWN).modules.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config_text(part))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "EulerDiscreteScheduler"}')
    return folder


@pytest.fixture
def model(configs: Path, tmp_path: Path) -> Path:
    """A copy of them to spoil."""
    index(Path(shutil.copytree(configs, tmp_path / "model")))
    return tmp_path / "model"


def index(folder: Path, **changes: Any) -> None:
    (folder / "model_index.json").write_text(json.dumps(INDEX | changes))


def config(folder: Path, part: str, **changes: Any) -> None:
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rehearsed(folder: Path) -> Run:
    (run,) = api.rehearse(folder, dtype="float16").runs
    return run


# What runs


def test_a_folder_of_configs_alone_runs_and_says_what_stood_in(model: Path) -> None:
    run = rehearsed(model)
    assert (run.verdict, run.reason, run.component) == ("runs", "", "")
    assert [text.partition(":")[0] for text in run.substituted] == ["tokenizer"]
    assert "CLIPTokenizer" in run.substituted[0]


def test_what_the_index_says_is_null_is_left_out_without_a_word(model: Path) -> None:
    run = rehearsed(model)
    assert not [text for text in run.substituted if text.startswith(("image_encoder", "feature_extractor", "safety"))]
    assert set(run.weight_bytes) == {"unet", "vae", "text_encoder"}


def test_a_tokenizer_that_the_index_says_is_null_is_stood_in_for_where_a_text_encoder_needs_one(model: Path) -> None:
    index(model, tokenizer=[None, None])
    run = rehearsed(model)
    assert (run.verdict, run.reason) == ("runs", "")
    assert "tokenizer: a CLIPTokenizer of our own, model_index.json has none" in run.substituted


def test_a_script_with_such_a_folder_has_no_tokenizer_as_when_it_runs(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(model, tokenizer=[None, None])
    monkeypatch.chdir(tmp_path)
    Path("serve.py").write_text(
        "from diffusers import StableDiffusionPipeline\n"
        "pipe = StableDiffusionPipeline.from_pretrained('model')\n"
        "assert pipe.tokenizer is None\n"
        "pipe('a cat', height=64, width=64)\n"
    )
    run = api.rehearse_script(Path("serve.py")).runs[0]
    assert (run.verdict, run.reason) == (
        "unknown",
        "AttributeError: 'NoneType' object has no attribute 'tokenize' (serve.py:4)",
    )


def test_an_optional_component_that_is_missing_is_left_out_with_a_word(model: Path) -> None:
    index(model, image_encoder=["transformers", "CLIPVisionModelWithProjection"])
    run = rehearsed(model)
    assert run.verdict == "runs"
    assert any(text.startswith("image_encoder: left out") for text in run.substituted)


def test_a_key_that_the_class_does_not_know_changes_nothing(model: Path) -> None:
    config(model, "unet", whatever=[3])
    assert rehearsed(model).verdict == "runs"


def test_a_quantised_component_runs_and_says_that_its_weights_were_taken_to_be_plain(model: Path) -> None:
    config(model, "text_encoder", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    run = rehearsed(model)
    assert run.verdict == "runs"
    assert "text_encoder: its packed weights, by plain ones in fp16" in run.substituted


def test_packed_weights_of_a_lone_model_run_and_are_said(cases: Path) -> None:
    (run,) = api.rehearse(cases / "bnb-nf4").runs
    assert (run.verdict, run.crash) == ("runs", None)
    assert any("packed weights" in text for text in run.substituted)


# What comes with a folder is data


def test_code_that_comes_with_a_model_is_never_executed(model: Path) -> None:
    marker = model / "executed"
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass OwnUNet: pass\n"
    for place in (model / "own.py", model / "unet" / "own.py", model / "pipeline.py", model / "tokenizer.py"):
        place.write_text(code)
    own = {"AutoModel": "own.OwnUNet", "AutoConfig": "own.OwnUNet"}
    config(model, "unet", _class_name="OwnUNet", auto_map=own)
    config(model, "text_encoder", auto_map=own)
    index(model, unet=["own", "OwnUNet"])
    run = rehearsed(model)
    assert run.verdict == "runs"
    assert any("OwnUNet, whose code is never executed, by UNet2DConditionModel" in text for text in run.substituted)
    index(model, _class_name=["pipeline", "OwnPipeline"], unet=["own", "OwnUNet"])
    run = rehearsed(model)
    assert run.verdict == "unknown"
    assert "never executed" in run.reason
    assert not marker.exists()
    subprocess.run([sys.executable, model / "own.py"], check=True, timeout=300)
    assert marker.exists()


@pytest.mark.parametrize(("library", "name"), [("os", "system"), ("subprocess", "Popen"), ("..", "Path"), ("torch.nn", "Linear")])
def test_classes_of_other_libraries_are_none_of_ours(library: str, name: str) -> None:
    with pytest.raises(CannotBuild, match="never executed"):
        klass(library, name)


def test_names_that_lead_out_of_the_folder_are_not_followed(model: Path) -> None:
    outside = model.parent / "outside"
    shutil.copytree(model / "scheduler", outside)
    (outside / "scheduler_config.json").write_text('{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": "x"}')
    index(model, **{"../outside": ["diffusers", "EulerDiscreteScheduler"], "..": ["transformers", "CLIPTextModel"]})
    run = rehearsed(model)
    assert run.verdict == "runs"
    assert not any(".." in text for text in run.substituted)


# What cannot be decided names the component


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_config_that_is_missing_is_undecided_and_names_the_component(model: Path, part: str) -> None:
    (model / part / "config.json").unlink()
    run = rehearsed(model)
    assert (run.verdict, run.component, run.crash) == ("unknown", part, None)
    assert run.reason.startswith(f"{part}: ")


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("unet", {"layers_per_block": -1}),
        ("unet", {"layers_per_block": "two"}),
        ("unet", {"block_out_channels": "abc"}),
        ("unet", {"block_out_channels": None}),
        ("unet", {"cross_attention_dim": 10**9}),
        ("vae", {"norm_num_groups": 0}),
        ("text_encoder", {"hidden_size": "many"}),
        ("text_encoder", {"num_attention_heads": 0}),
        ("text_encoder", {"dtype": [1], "torch_dtype": "floaty"}),
    ],
)
def test_a_config_that_makes_no_sense_is_undecided_and_names_the_component(
    model: Path, part: str, changes: dict[str, Any]
) -> None:
    config(model, part, **changes)
    run = rehearsed(model)
    assert (run.verdict, run.component) == ("unknown", part)
    assert run.reason
    assert "\n" not in run.reason


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_a_config_that_is_no_object_is_undecided(model: Path, text: str) -> None:
    (model / "unet" / "config.json").write_text(text)
    run = rehearsed(model)
    assert (run.verdict, run.component) == ("unknown", "unet")


@pytest.mark.parametrize("text", [b"{not json", b"[1, 2]", b"3", b"{}", b"\0\0\xff", b'{"_class_name": 3}'])
def test_a_garbage_index_is_undecided_and_blames_no_component(model: Path, text: bytes) -> None:
    (model / "model_index.json").write_bytes(text)
    run = rehearsed(model)
    assert (run.verdict, run.component, run.module) == ("unknown", "", "")
    assert "model_index.json" in run.reason


def test_an_index_of_other_shapes_is_undecided(model: Path) -> None:
    index(model, unet=3, vae="x", text_encoder={"a": 1}, tokenizer=[1, 2])
    assert rehearsed(model).verdict == "unknown"


def test_a_class_that_nobody_installed_is_undecided(model: Path) -> None:
    index(model, _class_name="NoSuchPipeline")
    run = rehearsed(model)
    assert (run.verdict, run.component) == ("unknown", "")
    assert "NoSuchPipeline" in run.reason


def test_a_component_that_is_no_module_is_undecided(model: Path) -> None:
    index(model, unet=["diffusers", "EulerDiscreteScheduler"])
    run = rehearsed(model)
    assert (run.verdict, run.component) == ("unknown", "unet")


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _a_readme(folder: Path) -> None:
    _nothing(folder)
    (folder / "README.md").write_text("# a model")


@pytest.mark.parametrize("make", [_nothing, _a_readme])
def test_a_folder_without_a_model_is_nothing_to_rehearse(model: Path, make: Callable[[Path], None]) -> None:
    make(model)
    with pytest.raises(NothingThere, match="no pipeline and no model"):
        api.rehearse(model)
