"""The component to blame is the one without whose dtype the crash goes away; nobody is blamed on suspicion."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from dtypecheck.dtypes import F16, F32, DType
from dtypecheck.knowledge import Knowledge
from dtypecheck.loading import with_dtypes
from dtypecheck.subjects import Pipeline
from dtypecheck.subjects.shown import Crash, Operand, Run

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")
jsonschema = pytest.importorskip("jsonschema")

from dtypecheck.files import Directory  # noqa: E402
from dtypecheck.read.layout import Reader  # noqa: E402
from dtypecheck.runs import blame  # noqa: E402
from dtypecheck.runs.blame import blamed  # noqa: E402
from dtypecheck.runs.phantoms.small import config_text, small  # noqa: E402
from dtypecheck.runs.rehearse import rehearse  # noqa: E402

KNOWN = Knowledge()
SCHEMA = json.loads((resources.files("dtypecheck") / "render" / "schema.json").read_text())
SDXL = "StableDiffusionXLPipeline"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SDXL as a folder of configs: its scheduler is real, its tokenizers are stood in for."""
    made, place = small(SDXL, KNOWN), tmp_path_factory.mktemp("sdxl")
    for name, part in made.modules.items():
        (place / name).mkdir()
        (place / name / "config.json").write_text(config_text(part))
    (place / "scheduler").mkdir()
    (place / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "EulerDiscreteScheduler"}')
    index = {**made.index, "scheduler": ["diffusers", "EulerDiscreteScheduler"]}
    index |= {name: ["transformers", "CLIPTokenizer"] for name in ("tokenizer", "tokenizer_2")}
    (place / "model_index.json").write_text(json.dumps(index))
    return place


def played(folder: Path, **dtypes: DType) -> tuple[Pipeline, Run]:
    """The pipeline in float16 but for these components, rehearsed."""
    read = next(reading.pipeline for reading in Reader(Directory(folder), KNOWN).readings() if reading.pipeline)
    pipeline = with_dtypes(read, {"": F16, **dtypes}, KNOWN)
    return pipeline, rehearse(pipeline, folder, KNOWN, "cuda")


def nameless(run: Run) -> Run:
    """The run as if its tensor came out of a line of code that says nothing of who gave it its dtype."""
    assert run.crash is not None
    first, *rest = run.crash.operands
    return replace(run, crash=replace(run.crash, operands=(replace(first, made="code()", component=""), *rest)))


# Who needs no blame


def test_a_run_that_runs_stays_as_it_is(folder: Path) -> None:
    pipeline, run = played(folder)
    assert run.verdict == "runs", run.reason
    assert blamed(pipeline, run, folder, KNOWN) is run


def test_a_giver_that_the_tensor_itself_names_is_not_searched_for(folder: Path) -> None:
    pipeline, run = played(folder, vae=F32)
    assert run.crash is not None
    assert (run.crash.module, run.crash.operands[0].component) == ("vae.post_quant_conv", "unet")
    assert blamed(pipeline, run, folder, KNOWN) is run


def test_nobody_is_blamed_when_no_other_component_has_that_dtype(folder: Path) -> None:
    pipeline, _ = played(folder)
    strange = Crash("unet.conv_in", "conv2d", "Input type", (Operand("input", F32, "code()"), Operand("weight", F16)))
    run = Run("rehearsed", "crashes", "cuda", strange)
    assert blamed(pipeline, run, folder, KNOWN) is run


# Who is named


def test_the_component_without_whose_dtype_it_runs_is_named_and_that_plan_is_a_remedy(folder: Path) -> None:
    pipeline, run = played(folder, text_encoder_2=F32)
    crash = run.crash
    assert crash is not None
    assert (crash.module, crash.operands[0].dtype) == ("unet.time_embedding.linear_1", F32)
    found = blamed(pipeline, nameless(run), folder, KNOWN)
    assert found.crash is not None
    assert (found.crash.operands[0].component, found.crash.operands[0].made) == ("text_encoder_2", "text_encoder_2")
    assert found.crash.operands[1:] == crash.operands[1:]
    assert found.remedies[-1].verdict == "runs"
    assert set(found.remedies[-1].dtypes.values()) == {F16}


def test_those_of_one_role_are_named_together_where_they_are_too_many_to_try_alone(folder: Path) -> None:
    """As if two more text encoders had the dtype: the plan in which all of them change is the one that runs."""
    pipeline, run = played(folder, text_encoder=F32, text_encoder_2=F32)
    assert run.crash is not None
    assert run.crash.component == "unet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blame, "MOST", 1)
        found = blamed(pipeline, nameless(run), folder, KNOWN)
    assert found.crash is not None
    assert found.crash.operands[0].made == "text_encoder and text_encoder_2"
    assert set(found.remedies[-1].dtypes.values()) == {F16}


def test_nobody_is_named_when_no_change_of_one_makes_it_run(folder: Path) -> None:
    """With the text encoders in the right dtype the VAE is the next to crash, and the other way round."""
    pipeline, run = played(folder, text_encoder_2=F32, vae=F32)
    found = blamed(pipeline, nameless(run), folder, KNOWN)
    assert found.crash is not None
    assert (found.crash.operands[0].component, found.remedies) == ("", ())


def test_the_command_line_names_it_and_a_request_that_runs_and_is_exit_1(folder: Path) -> None:
    words = ["rehearse", str(folder), "--dtype", "float16,text_encoder_2=float32", "--output-format", "json"]
    done = subprocess.run([sys.executable, "-m", "dtypecheck", *words], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    rehearsal, (finding,) = report["rehearsal"], [found for found in report["findings"] if found["severity"] == "error"]
    assert (rehearsal["verdict"], rehearsal["component"], rehearsal["confirmed"]) == ("crashes", "unet", True)
    giver, weight, _ = rehearsal["crash"]["operands"]
    assert (giver["role"], giver["dtype"], giver["component"]) == ("input", "F32", "text_encoder_2")
    assert (weight["role"], weight["dtype"], weight["from"]) == ("weight", "F16", "unet.time_embedding.linear_1.weight")
    assert finding["name"] == "run-crashes"
    assert "16" in finding["fix"]["title"]
