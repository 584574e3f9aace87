"""What a model_index.json names and the libraries do not have: a load that fails is no deployment, and nothing else is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest

from dtypecheck.checks.files.class_not_there import ClassNotThere
from dtypecheck.engine.models import planned
from dtypecheck.files import Directory
from dtypecheck.findings import Finding
from dtypecheck.knowledge import Knowledge
from dtypecheck.report import Report
from dtypecheck.request import NEWEST, make
from dtypecheck.runs.installed import unloadable
from dtypecheck.subjects import Pipeline
from dtypecheck.subjects.gated import Gate
from dtypecheck.verbs.gate import Asking, gate

CODE = "from diffusers import AutoencoderKL\nclass MyVAE(AutoencoderKL): pass\n"
BROKEN: dict[str, dict[str, Any]] = {
    "a class that diffusers does not have": {"vae": ["diffusers", "AutoencoderKLX"]},
    "a class that transformers does not have": {"text_encoder": ["transformers", "CLIPTextModelX"]},
    "a class of the other library": {"text_encoder": ["diffusers", "CLIPTextModel"]},
    "a library that nobody knows": {"vae": ["diffuserz", "AutoencoderKL"]},
    "a module that is not there": {"vae": ["my_vae", "MyVAE"]},
    "a module of diffusers that is not there": {"vae": ["diffusers.models.nowhere", "AutoencoderKL"]},
    "a library that diffusers does not load from": {"vae": ["torch.nn", "Linear"]},
    "a class that is not in the module of a pipeline": {"safety_checker": ["stable_diffusion", "NoSafety"]},
    "a scheduler that is not there": {"scheduler": ["diffusers", "NoScheduler"]},
    "a tokenizer that is not there": {"tokenizer": ["transformers", "CLIPTokenizerX"]},
    "a class that is loaded in no way": {"text_encoder": ["transformers", "AutoModel"]},
    "something that is no class": {"vae": ["diffusers", "logging"]},
    "a library without a class": {"vae": ["diffusers", None]},
    "null in place of a pair of nulls": {"safety_checker": None},
    "one word": {"vae": ["diffusers"]},
    "three words": {"vae": ["diffusers", "AutoencoderKL", "x"]},
    "a text": {"vae": "AutoencoderKL"},
    "a pipeline that is not there": {"_class_name": "StableDiffusionPipelineX"},
    "a pipeline that is none": {"_class_name": "AutoencoderKL"},
    "a pipeline in a file that is not there": {"_class_name": ["pipeline", "MyPipeline"]},
    "one of the library's in a file that is not there": {"_class_name": ["pipeline", "StableDiffusionPipeline"]},
}
"""Changes of a model_index.json with which from_pretrained stops."""
SOUND: dict[str, dict[str, Any]] = {
    "as it was saved": {},
    "a pair of nulls": {"safety_checker": [None, None]},
    "an optional part that is left out": {"safety_checker": "left out"},
    "a fast tokenizer of before": {"tokenizer": ["transformers", "CLIPTokenizerFast"]},
    "a feature extractor of before": {"feature_extractor": ["transformers", "CLIPFeatureExtractor"]},
    "another scheduler": {"scheduler": ["diffusers", "EulerDiscreteScheduler"]},
    "another pipeline": {"_class_name": "StableDiffusionImg2ImgPipeline"},
    "a part that the pipeline does not take": {"foo": ["diffusers", "NoSuch"]},
    "a module of diffusers": {"vae": ["diffusers.models", "AutoencoderKL"]},
    "a packed class": {"vae": ["diffusers", "FlashPackAutoencoderKL"]},
}
"""Changes with which it loads."""


def change(model: Path, changes: dict[str, Any], file: str = "model_index.json") -> None:
    data = json.loads((model / file).read_text()) | changes
    (model / file).write_text(json.dumps({key: value for key, value in data.items() if value != "left out"}, indent=2))


def read(model: Path, known: Knowledge, *libraries: str) -> Pipeline:
    found = planned(Directory(model), make("float16", None, None, libraries, known), known)
    return next(pipeline for pipeline in found if pipeline.kind == "pipeline")


def by_rows(model: Path, known: Knowledge, *libraries: str) -> list[Finding]:
    """What is found where no library is asked."""
    return list(ClassNotThere().check(read(model, known, *libraries), known))


def loads(model: Path) -> bool:
    try:
        diffusers.DiffusionPipeline.from_pretrained(str(model))
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def decided(model: Path) -> tuple[Gate, Report]:
    gated = gate([model], Asking(dtype="float16"))
    made = gated.verdict(gated.report).gate
    assert made is not None
    return made, gated.report


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
def test_what_diffusers_cannot_load_is_named(model: Path, known: Knowledge, changes: dict[str, Any]) -> None:
    change(model, changes)
    assert not loads(model)
    assert list(unloadable(read(model, known))) == list(changes)


@pytest.mark.parametrize("changes", SOUND.values(), ids=SOUND)
def test_what_diffusers_loads_is_not(model: Path, known: Knowledge, changes: dict[str, Any]) -> None:
    change(model, changes)
    assert loads(model)
    assert unloadable(read(model, known)) == {}
    assert by_rows(model, known) == []


def test_a_config_that_names_a_class_which_is_not_there_is_no_matter_to_diffusers(model: Path, known: Knowledge) -> None:
    change(model, {"_class_name": "AutoencoderKLX"}, "vae/config.json")
    change(model, {"architectures": ["CLIPTextModelX"]}, "text_encoder/config.json")
    assert loads(model)
    assert unloadable(read(model, known)) == {}
    assert by_rows(model, known) == []


@pytest.mark.parametrize("name", ["AutoencoderKLX", "ResNet"])
def test_without_the_libraries_a_class_is_an_error_only_for_the_version_that_the_rows_are_of(
    model: Path, known: Knowledge, name: str
) -> None:
    change(model, {"vae": ["diffusers", name]})
    (sure,) = by_rows(model, known, f"diffusers=={NEWEST['diffusers']}")
    (newer,) = by_rows(model, known, "diffusers==99.1")
    assert (sure.severity, newer.severity) == ("error", "note")
    assert sure.message == newer.message == f"vae: diffusers {NEWEST['diffusers']} has no class {name}"
    assert (sure.where.at, sure.against and sure.against.path) == ("/vae", "vae/config.json")
    assert sure.fix is not None
    assert sure.fix.title == "name AutoencoderKL in it, as the part's config.json does"


def test_without_the_libraries_tokenizers_are_not_judged_and_a_text_encoder_is(model: Path, known: Knowledge) -> None:
    change(model, {"tokenizer": ["transformers", "QuiteNewTokenizer"], "text_encoder": ["transformers", "CLIPTextModelX"]})
    assert [finding.where.at for finding in by_rows(model, known)] == ["/text_encoder"]


@pytest.mark.parametrize(
    "changes",
    [
        BROKEN["a class that diffusers does not have"],
        BROKEN["null in place of a pair of nulls"],
        BROKEN["a library that nobody knows"],
    ],
)
def test_a_model_that_does_not_load_is_not_deployed_though_its_parts_would_run(model: Path, changes: dict[str, Any]) -> None:
    change(model, changes)
    made, report = decided(model)
    assert made.verdict == "do not deploy"
    assert made.because.startswith("model/model_index.json:")
    assert [finding.severity for finding in report.findings if finding.name == "class-not-there"] == ["error"]


def test_code_that_comes_with_a_model_is_rehearsed_by_another_class_and_that_proves_nothing(model: Path) -> None:
    change(model, {"vae": ["my_vae", "MyVAE"]})
    (model / "vae" / "my_vae.py").write_text(CODE)
    made, report = decided(model)
    assert made.verdict == "not proven"
    assert "vae: MyVAE, whose code is never executed, by AutoencoderKL" in made.because
    assert not [finding for finding in report.findings if finding.severity == "error"]


def test_a_pipeline_of_the_models_own_code_is_not_rehearsed_by_one_of_the_same_name(model: Path) -> None:
    change(model, {"_class_name": ["pipeline", "StableDiffusionPipeline"]})
    (model / "pipeline.py").write_text("class StableDiffusionPipeline: pass\n")
    made, report = decided(model)
    assert made.verdict == "not proven"
    assert "pipeline.StableDiffusionPipeline, whose code is never executed" in made.because
    assert not [finding for finding in report.findings if finding.name == "class-not-there"]


def test_a_library_that_is_null_leaves_the_part_to_the_caller(model: Path) -> None:
    change(model, {"vae": [None, "AutoencoderKL"]})
    made, _ = decided(model)
    assert made.verdict == "not proven"
    assert "vae: model_index.json has none" in made.because


def test_a_class_whose_weights_are_not_in_the_files_would_run_on_random_numbers(model: Path) -> None:
    change(model, {"vae": ["diffusers", "AutoencoderTiny"]})
    assert loads(model)
    made, _ = decided(model)
    assert made.verdict == "not proven"
    assert "model_index.json names AutoencoderTiny and its config.json AutoencoderKL" in made.because


def test_a_class_with_a_head_more_than_its_config_names_is_no_other_one(model: Path) -> None:
    change(model, {"architectures": ["CLIPModel"]}, "text_encoder/config.json")
    assert decided(model)[0].verdict == "deploy"
