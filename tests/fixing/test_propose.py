"""A plan answers what a scan finds, and holds nothing after which the scan would find more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dtypecheck import checks
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.edits import Edit, Remove, SetKey, Store
from dtypecheck.engine import scan
from dtypecheck.files import Entry, Files
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.propose import REMEDIES, STRATEGIES, Proposal, Wish, propose
from dtypecheck.fixing.propose.judged import Judge
from dtypecheck.knowledge import Knowledge
from dtypecheck.report import Report
from dtypecheck.request import make
from dtypecheck.rule import find, page
from dtypecheck.testing import lay_out

checks.load()
KNOWN = Knowledge()


def proposed(text: str, **wish: object) -> Proposal:
    example = lay_out(text)
    options = {name.removeprefix("--"): values for name, values in example.options.items()}
    request = make(
        *(next(iter(options.get(name, [])), None) for name in ("dtype", "variant", "device")), options.get("lib", ()), KNOWN
    )
    return propose(example.files, request, KNOWN, Wish(**wish))  # type: ignore[arg-type]


SMALL = frozenset({"DT118"})
"""Rules whose example is about a megabyte of weights that do not exist; the others' are of a few numbers."""


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_the_finding_of_a_rules_own_page_is_answered_or_says_why_not(code: str) -> None:
    rule = find(code)
    assert rule
    for text in page(rule).bad:
        made = proposed(text, select=frozenset({code}))
        assert code in {finding.code for finding in made.before.findings}
        if made.plan.steps:
            assert code not in {finding.code for finding in made.after.findings}
            assert all(code in step.codes and step.edits and step.strategy in STRATEGIES for step in made.plan.steps)
        else:
            assert [item for item in made.plan.refused if code in item.codes and item.why]


def test_most_of_them_are_answered() -> None:
    answered = {code for code in REMEDIES if (rule := find(code)) for text in page(rule).bad if proposed(text).plan.steps}
    assert answered >= {"DT007", "DT102", "DT103", "DT104", "DT111", "DT112", "DT115", "DT117", "DT118", "DT119", "DT121"}


XL = """
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F32 16x16
vae/config.json: {"_class_name": "AutoencoderKL", "latent_channels": 4, "scaling_factor": 0.13025, "force_upcast": %s}
vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
"""  # noqa: E501


def test_a_vae_that_the_pipeline_would_upcast_is_told_to_be() -> None:
    made = proposed("$ --dtype float16\n" + XL % "false")
    assert [step.edits for step in made.plan.steps if step.strategy == "upcast"] == [
        (SetKey("vae/config.json", "/force_upcast", "true"),)
    ]
    assert not [f for f in made.after.findings if f.code in ("DT107", "DT119")]


def test_a_healthy_model_has_an_empty_plan() -> None:
    made = proposed("$ --dtype float16\n" + XL % "true", select=frozenset({"DT107", "DT119"}))
    assert not made.plan.steps
    assert not made.plan.refused


def test_what_only_the_caller_can_mend_is_told_with_what_to_do() -> None:
    made = proposed("$ --dtype float16,vae=float32\n" + XL % "true", select=frozenset({"DT110"}))
    assert not made.plan.steps
    (left,) = made.plan.refused
    assert left.codes == ("DT110",)
    assert any("float16" in offer for offer in left.offers)


def test_select_and_strategy_choose_among_the_steps() -> None:
    text = "$ --dtype float16\n" + XL % "false"
    assert not proposed(text, select=frozenset({"DT102"})).plan.steps
    assert not proposed(text, strategies=("keep-fp32",)).plan.steps
    assert {step.strategy for step in proposed(text, strategies=("upcast",)).plan.steps} == {"upcast"}


def test_a_conversion_needs_no_finding_and_keeps_every_other_file() -> None:
    made = proposed(XL % "true", to=BF16, components=("unet",))
    (step,) = made.plan.steps
    assert not step.lossless
    assert step.after < step.before
    assert [edit.path for edit in step.edits if isinstance(edit, Store)] == ["unet/diffusion_pytorch_model.safetensors"]
    assert {f.path: f.dtypes for f in made.after.files}["unet/diffusion_pytorch_model.safetensors"] == {BF16: 1}
    assert {f.path: f.dtypes for f in made.after.files}["vae/diffusion_pytorch_model.safetensors"] == {F32: 1}


def test_a_variant_beside_loses_nothing() -> None:
    made = proposed(XL % "true", to=F16, variant="fp16")
    assert {edit.path for step in made.plan.steps for edit in step.edits} == {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
    }
    assert all(step.lossless for step in made.plan.steps)


MIXED = """
$ --lib transformers==5.23 --lib diffusers==0.42
model_index.json: {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "text_encoder": ["transformers", "CLIPTextModel"]}
unet/config.json: {"_class_name": "UNet2DConditionModel"}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F16 4x4
text_encoder/config.json: {"architectures": ["CLIPTextModel"], "torch_dtype": "float16"}
text_encoder/model.safetensors: text_model.final_layer_norm.weight F16 8
"""  # noqa: E501


def test_a_conversion_leaves_what_a_config_declares_where_the_parts_would_no_longer_fit() -> None:
    sound = MIXED.replace('"torch_dtype": "float16"', '"torch_dtype": "float32"')
    made = proposed(sound, to=BF16, components=("text_encoder",))
    (step,) = made.plan.steps
    assert [type(edit) for edit in step.edits] == [Store]
    assert "text_encoder/config.json keeps float32" in "; ".join(step.costs)
    undeclared = MIXED.replace(', "torch_dtype": "float16"', "").replace("norm.weight F16", "norm.weight F32")
    (step,) = proposed(undeclared, to=BF16, components=("text_encoder",)).plan.steps
    assert step.edits[1:] == (SetKey("text_encoder/config.json", "/dtype", '"float32"'),)


def test_a_lone_model_declares_what_it_is_converted_to() -> None:
    text = """
    $ --lib transformers==5.23
    config.json: {"architectures": ["CLIPTextModel"], "dtype": "float32"}
    model.safetensors: text_model.final_layer_norm.weight F32 64
    """
    (step,) = proposed(text, to=BF16).plan.steps
    assert step.edits[1:] == (SetKey("config.json", "/dtype", '"bfloat16"'),)


def test_a_default_load_that_mixes_is_mended_by_what_the_config_declares() -> None:
    made = proposed(MIXED)
    (step,) = made.plan.steps
    assert step.edits == (SetKey("text_encoder/config.json", "/torch_dtype", '"float32"'),)
    assert step.lossless


def test_the_files_after_a_plan_are_those_that_a_scan_of_the_overlay_sees() -> None:
    text = """
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors.index.json: {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    diffusion_pytorch_model-00001-of-00001.safetensors: a F32 4
    diffusion_pytorch_model-00001-of-00002.safetensors: b F32 4
    diffusion_pytorch_model-00002-of-00002.safetensors: c F32 4
    """
    made = proposed(text)
    (step,) = made.plan.steps
    assert step.edits == tuple(Remove(f"diffusion_pytorch_model-0000{i}-of-00002.safetensors") for i in (1, 2))
    assert not step.lossless
    files = lay_out(text).files
    names = [entry.name for entry in after(files, step.edits).entries()]
    assert names == [
        "config.json",
        "diffusion_pytorch_model-00001-of-00001.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
    ]
    assert not scan(after(files, step.edits), make(None, None, None, (), KNOWN), KNOWN).findings


FIRST = """
a/config.json: {"architectures": ["CLIPTextModel"], "dtype": "float16"}
a/model.safetensors: final_layer_norm.weight BF16 8
a/generation_config.json: text "{"
b/config.json: {"architectures": ["CLIPTextModel"], "dtype": "float16"}
b/model.safetensors: final_layer_norm.weight BF16 8
c/x.safetensors: some.weight F16 8
c/config.json: text "{"
"""


def _said(report: Report) -> list[tuple[object, ...]]:
    """What findings say, without the numbers of equal ones."""
    return sorted((f.code, f.where.path, f.where.at, f.message, f.pipeline, f.component) for f in report.findings)


@pytest.mark.parametrize(
    "edits",
    [
        (SetKey("a/config.json", "/dtype", '"bfloat16"'),),
        (SetKey("b/config.json", "/dtype", '"bfloat16"'), Remove("a/generation_config.json")),
        (Remove("c/config.json"),),
        (Remove("b/model.safetensors"), Remove("c/x.safetensors")),
    ],
)
def test_one_model_of_several_is_judged_alone_as_it_is_with_the_others(edits: tuple[Edit, ...]) -> None:
    files = lay_out(FIRST).files
    judge = Judge(files, make(None, None, None, (), KNOWN), KNOWN, scan(files, make(None, None, None, (), KNOWN), KNOWN))
    alone, whole = judge.after(edits), judge.whole(edits)
    assert _said(alone) == _said(whole) != _said(judge.before)
    assert {pipeline.path for pipeline in alone.pipelines} == {pipeline.path for pipeline in whole.pipelines}
    assert alone.sound == whole.sound


def test_a_model_that_no_edit_touches_is_not_scanned_again_and_one_that_is_only_once() -> None:
    files = Counting(lay_out(FIRST).files)
    request = make(None, None, None, (), KNOWN)
    judge = Judge(files, request, KNOWN, scan(files, request, KNOWN))
    files.read_names.clear()
    for _ in range(3):
        judge.after([SetKey("a/config.json", "/dtype", '"bfloat16"')])
    assert {name.split("/")[0] for name in files.read_names} == {"a"}
    assert files.read_names.count("a/generation_config.json") == 1


class Counting:
    """Files that note what is read."""

    def __init__(self, files: Files) -> None:
        self.files, self.label, self.read_names = files, files.label, list[str]()

    def entries(self) -> Iterator[Entry]:
        return self.files.entries()

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        self.read_names.append(name)
        return self.files.read(name, start, length)


def test_the_target_is_read_once_for_its_findings_and_its_pipelines() -> None:
    files = Counting(lay_out(FIRST).files)
    propose(files, make(None, None, None, (), KNOWN), KNOWN, Wish(select=frozenset({"DT007"})))
    assert files.read_names.count("b/config.json") == 1
