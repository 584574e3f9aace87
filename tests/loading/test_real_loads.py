"""The load plan against real loads: tiny real pipelines are saved in every way and loaded by the libraries, tensor by tensor.

Every parameter and persistent buffer of what was really loaded is held against `parameter_dtype`, the sums against `Load.counts`,
the numbers themselves against the file that `Load.chosen` names (no two saved files hold the same numbers), and an exception's
type against `Load.raises`. A prediction is made under a file's key, a load gives parameter names: see `pairs` for how they meet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32, DType, parse
from dtypecheck.engine import scan
from dtypecheck.files import place
from dtypecheck.knowledge import Knowledge
from dtypecheck.loading import parameter_dtype, plan
from dtypecheck.read.layout import Reader
from dtypecheck.request import make as make_request
from dtypecheck.subjects import Component, Pipeline, Tensor

torch = pytest.importorskip("torch", reason="real loads need torch")
diffusers = pytest.importorskip("diffusers", reason="real loads need diffusers")
transformers = pytest.importorskip("transformers", reason="real loads need transformers")

from tests.loading import real, saved, tiny  # noqa: E402

Case = tuple[str, str, str | None]
OLD = ("transformers==4.57.6", "diffusers==0.35.2")
DENOISER = dict.fromkeys(("sdxl", "sd15"), "unet")
DTYPES = ("", "float16", "bfloat16", "float32", "float16,vae=float32", "bfloat16,vae=float32", "denoiser=bfloat16")
BROKEN = [form for form in saved.FORMS if form.startswith(("undotted", "no-", "lost-", "index-without"))]
WHOLE = [form for form in saved.FORMS if form not in BROKEN]

FORMS_ONCE = [
    (f"sdxl-{form}", dtypes, variant) for form in saved.FORMS for dtypes, variant in (("", None), ("float16,vae=float32", "fp16"))
]
KINDS_ONCE = [(f"{kind}-fp16", dtypes, None) for kind in tiny.PIPELINES for dtypes in DTYPES]
VARIANTS_ONCE = [
    ("sdxl-beside", dtypes, variant) for dtypes in ("", "float16", "denoiser=bfloat16") for variant in (None, "fp16", "fp8", "fp")
]
DEFAULT: list[Case] = list(dict.fromkeys([*FORMS_ONCE, *KINDS_ONCE, *VARIANTS_ONCE]))
CROSSED: list[Case] = [
    (f"{kind}-{form}", dtypes, variant)
    for kind in tiny.PIPELINES
    for form in (saved.FORMS if kind in ("sdxl", "wan") else ("fp32", "bf16", "beside", "undeclared-fp16", "pickled", "sharded"))
    for dtypes in (DTYPES if form in WHOLE else DTYPES[:2])
    for variant in (None, "fp16")
]
SLOW = [case for case in dict.fromkeys(CROSSED) if case not in DEFAULT]
OLD_CASES: list[Case] = [
    *DEFAULT,
    *((f"{kind}-{form}", dtypes, None) for kind in tiny.PIPELINES for form in ("bf16", "undeclared-fp16") for dtypes in DTYPES),
    *((f"{kind}-undeclared-fp8", dtypes, None) for kind in ("sdxl", "wan") for dtypes in DTYPES),
]

UNPREDICTABLE = {
    "undotted-among": (
        "IndexError",
        "the order of os.listdir decides whether the name without a dot is met before a file of the variant",
    ),
    "undotted-in-scheduler": (
        "IndexError",
        "the folder of a scheduler or tokenizer is no component, the plan knows no names in it",
    ),
    "no-text-encoder-config": (
        "RuntimeError",
        "transformers takes the class's default config, whose shapes the plan does not know",
    ),
}
"""Forms that may end in an exception which the plan does not foresee, and why."""
UNUSED = {
    "text_model.embeddings.position_ids": "integers that transformers saved until 4.31 and ignores since; counted as stored",
    "encoder.embed_tokens.weight": "a second name of `shared.weight`, stored twice and loaded once: counted as stored",
    "decoder.embed_tokens.weight": "the same",
    "lm_head.weight": "the same, where the config ties it",
}
"""Ends of a file's keys that may become no parameter of their own, and why."""


def name_of(case: Case) -> str:
    folder, dtypes, variant = case
    return f"{folder} | {dtypes or 'no dtype'} | {variant or 'no variant'}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a name, saved when it is first asked for."""
    root = tmp_path_factory.mktemp("tiny")
    return lambda name: saved.make(name, root / name)


@pytest.fixture(scope="session")
def known() -> Knowledge:
    return Knowledge()


def for_kind(dtypes: str, name: str) -> str:
    return dtypes.replace("denoiser", DENOISER.get(name.partition("-")[0], "transformer"))


def planned(path: Path, dtypes: str, variant: str | None, known: Knowledge, libraries: tuple[str, ...] = ()) -> Pipeline:
    (pipeline,) = (reading.pipeline for reading in Reader(place(path), known).readings() if reading.pipeline)
    return plan(pipeline, make_request(dtypes or None, variant, None, libraries, known), known)


def wanted(path: Path, klass: str, library: str, dtypes: str, variant: str | None = None, **more: Any) -> dict[str, Any]:
    """The same for `real.load`: dtypes as they were typed, so a dict without a default stays one."""
    items = [item.rpartition("=") for item in dtypes.split(",") if item]
    named = {name: dtype for name, _, dtype in items}
    return {"path": str(path), "klass": klass, "library": library, "dtypes": named, "variant": variant, **more}


def of_index(path: Path, dtypes: str, variant: str | None) -> dict[str, Any]:
    return wanted(path, json.loads((path / "model_index.json").read_text())["_class_name"], "diffusers", dtypes, variant)


def pairs(component: Component, loaded: dict[str, list[Any]]) -> Iterator[tuple[str, list[Any], Tensor]]:
    """Each loaded tensor with the file's tensor that it came from: by name, else by a name that ends alike, else by shape.

    The last two are for names that a library changes on loading: transformers 5 drops `text_model.`, a pickle may hold a tied
    weight under its other name, and a single file has the original names, of which the plan says the same for all of a shape.
    """
    stored = {tensor.key: tensor for _, tensor in (component.loads().chosen.tensors() if component.loads().chosen else ())}
    left = {}
    for name, found in loaded.items():
        if name in stored:
            yield name, found, stored.pop(name)
        else:
            left[name] = found
    for name, found in left.items():
        alike = [key for key in stored if f".{key}".endswith(f".{name}") or f".{name}".endswith(f".{key}")]
        key = alike[0] if alike else next((key for key, t in stored.items() if list(t.shape) == found[1]), None)
        assert key is not None, f"{component.label}: nothing in the files is {name} {found}"
        yield name, found, stored.pop(key)
    lost = [key for key in stored if not key.endswith(tuple(UNUSED))]
    assert not lost, f"{component.label}: nothing loaded is {lost}"


def compare(pipeline: Pipeline, found: dict[str, Any], known: Knowledge, root: Path) -> int:
    """How many tensors were compared; fails on the first component that is not as predicted."""
    failures = [component.loads() for component in pipeline.components if component.loads().failure]
    if failures or "error" in found:
        assert {load.raises for load in failures} & set(found.get("error", ())), (failures, found)
        return 0
    names = {component.name: component for component in pipeline.components}
    if list(found["parts"]) == [""]:
        names = {"": pipeline.components[0]}
    assert set(names) == set(found["parts"])
    return sum(compare_component(component, found["parts"][name], known, root) for name, component in names.items())


def compare_component(component: Component, loaded: dict[str, list[Any]], known: Knowledge, root: Path) -> int:
    wrong, counts = [], Counter[DType]()
    numbers = stored_numbers(component, root)
    request = component.pipeline.request
    together = list(pairs(component, loaded))
    for name, (text, shape, *number), tensor in together:
        dtype = parse(text)
        predicted = parameter_dtype(component, tensor.key, tensor.dtype, request, known)
        if dtype is not predicted:
            wrong.append(f"{name}: loaded {text}, predicted {predicted.short}, stored {tensor.dtype.short} as {tensor.key}")
        counts[dtype] += Tensor(name, predicted, tuple(shape)).elements
        if number and f".{tensor.key}".endswith(f".{name}"):
            held = torch.tensor(numbers[tensor.key], dtype=torch.float64)
            assert held.to(getattr(torch, text)).double().item() == number[0], f"{name}: of another file"
    assert not wrong, "\n".join([f"{component.label}: {len(wrong)} of {len(together)}", *wrong[:5]])
    load = component.loads()
    for _, tensor in load.chosen.tensors():
        if tensor.key.endswith(tuple(UNUSED)) and tensor.key not in {stored.key for *_, stored in together}:
            counts[load.dtype if tensor.dtype.is_float else tensor.dtype] += tensor.elements
    assert dict(counts) == dict(load.counts), component.label
    if load.dtype in (F16, BF16):
        assert load.kept == counts[F32], component.label
    return len(together)


def stored_numbers(component: Component, root: Path) -> dict[str, float]:
    """The first number of each stored tensor of the chosen files."""
    found: dict[str, float] = {}
    for file in component.loads().chosen.files:
        path = root / file.path
        tensors = saved.load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        found |= {key: tensor.flatten()[0].item() for key, tensor in tensors.items()}
    return found


def check(path: Path, case: Case, known: Knowledge, found: dict[str, Any], libraries: tuple[str, ...] = ()) -> int:
    name, dtypes, variant = case
    unforeseen, _ = UNPREDICTABLE.get(name.partition("-")[2], ("", ""))
    if unforeseen in found.get("error", ()) and (variant or unforeseen != "IndexError"):
        return 0
    pipeline = planned(path, for_kind(dtypes, name), variant, known, libraries)
    return compare(pipeline, found, known, path)


@pytest.mark.parametrize("case", DEFAULT, ids=name_of)
def test_a_pipeline_loads_as_planned(
    case: Case, folder: Callable[[str], Path], known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    name, dtypes, variant = case
    path = folder(name)
    found = real.load(of_index(path, for_kind(dtypes, name), variant))
    record_property("tensors", check(path, case, known, found))


@pytest.mark.slow
@pytest.mark.parametrize("case", SLOW, ids=name_of)
def test_a_pipeline_loads_as_planned_in_every_other_combination(
    case: Case, folder: Callable[[str], Path], known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    test_a_pipeline_loads_as_planned(case, folder, known, record_property)


PLAIN = ("", "float16", "bfloat16", "float32")
MODEL_FORMS = (
    "fp16",
    "beside",
    "undeclared-fp16",
    "mixed",
    "both-undeclared",
    "variant-only-sharded",
    "pickled",
    "undotted",
    "declares-fp16",
)
FOR_PIPELINES = [form for form in BROKEN if form.startswith("no-") or form == "undotted-in-scheduler"]
KINDS = [kind for kind in tiny.MODELS if kind != "ernie"]
MODELS_ONCE: list[Case] = [
    *((f"{kind}-fp16", dtypes, None) for kind in KINDS for dtypes in PLAIN[:3]),
    *(
        (f"{kind}-{form}", dtypes, variant)
        for kind in ("t5", "kl")
        for form in MODEL_FORMS
        for dtypes, variant in (("", None), ("float16", "fp16"))
    ),
    *((f"whole_clip-{form}", "", None) for form in ("undeclared-fp16", "undeclared-sharded", "contradicting", "torch-dtype")),
    *((f"{kind}-beside", "bfloat16", variant) for kind in ("t5", "kl") for variant in ("fp8", "fp")),
]
CROSSED_MODELS = ("clip", "whole_clip", "t5_tied", "kl", "wan_transformer")
MODELS_SLOW: list[Case] = [
    (f"{kind}-{form}", dtypes, variant)
    for kind in KINDS
    for form in (MODEL_FORMS if kind not in CROSSED_MODELS else (form for form in saved.FORMS if form not in FOR_PIPELINES))
    for dtypes in (PLAIN if form in WHOLE else PLAIN[:2])
    for variant in (None, "fp16")
]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str, str]]:
    """A lone model's folder, its class and library."""
    root = tmp_path_factory.mktemp("models")
    return lambda name: saved.make_model(name, root / name)


@pytest.mark.parametrize("case", MODELS_ONCE, ids=name_of)
def test_a_lone_model_loads_as_planned_and_takes_a_variant_as_given(
    case: Case, model_folder: Any, known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    name, dtypes, variant = case
    path, klass, library = model_folder(name)
    record_property("tensors", check(path, case, known, real.load(wanted(path, klass, library, dtypes, variant))))


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in MODELS_SLOW if case not in MODELS_ONCE], ids=name_of)
def test_a_lone_model_loads_as_planned_in_every_other_combination(
    case: Case, model_folder: Any, known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    test_a_lone_model_loads_as_planned_and_takes_a_variant_as_given(case, model_folder, known, record_property)


SINGLE = ("kl", "unet", "flux_transformer", "wan_transformer", "wan_vae", "dc")


@pytest.mark.parametrize("dtypes", PLAIN, ids=lambda dtypes: dtypes or "no dtype")
@pytest.mark.parametrize("name", [*(f"{kind}-fp16" for kind in SINGLE), "wan_transformer-bf16", "wan_transformer-fp32"])
def test_a_single_file_of_one_component_loads_as_planned_and_loses_its_keep_list(
    name: str, dtypes: str, model_folder: Any, tmp_path: Path, known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    folder, klass, library = model_folder(name)
    file = Path(shutil.copy(folder / "diffusion_pytorch_model.safetensors", tmp_path / "downloaded.safetensors"))
    found = real.load(wanted(file, klass, library, dtypes, method="from_single_file", config=str(folder)))
    pipeline = planned(file, dtypes, None, known)
    assert pipeline.kind == "single-file"
    assert len(pipeline.components[0].loads().counts) == 1
    record_property("tensors", compare(pipeline, found, known, tmp_path))


@pytest.mark.parametrize("dtypes", PLAIN, ids=lambda dtypes: dtypes or "no dtype")
def test_a_whole_checkpoint_loads_as_planned_whatever_each_part_is_stored_in(
    dtypes: str, folder: Callable[[str], Path], tmp_path: Path, known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    file = saved.original(tmp_path / "v1.safetensors", {"unet": "fp16", "vae": "fp32", "text_encoder": "bf16"})
    config = folder("sd15-fp16")
    found = real.load(wanted(file, "StableDiffusionPipeline", "diffusers", dtypes, method="from_single_file", config=str(config)))
    record_property("tensors", compare(planned(file, dtypes, None, known), found, known, tmp_path))


@pytest.mark.parametrize("dtypes", PLAIN, ids=lambda dtypes: dtypes or "no dtype")
def test_only_t5_keeps_float32_in_a_single_file_and_only_in_float16(
    dtypes: str, folder: Callable[[str], Path], tmp_path: Path, known: Knowledge, record_property: Callable[[str, object], None]
) -> None:
    file = saved.bundle(tmp_path / "flux.safetensors", "fp16", "bf16")
    more = {"method": "from_single_file", "config": str(folder("flux-fp16")), "without": ["vae", "transformer"]}
    found = real.load(wanted(file, "FluxPipeline", "diffusers", dtypes, **more))
    pipeline = planned(file, dtypes, None, known)
    pipeline = replace(pipeline, components=pipeline.of_role("text_encoder"))
    assert {bool(c.loads().kept) for c in pipeline.components} == ({True, False} if dtypes == "float16" else {False})
    record_property("tensors", compare(pipeline, found, known, tmp_path))


def test_a_dict_of_dtypes_means_float32_for_a_single_file(
    folder: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    file = saved.original(tmp_path / "v1.safetensors", dict.fromkeys(("unet", "vae", "text_encoder"), "fp16"))
    more = {"method": "from_single_file", "config": str(folder("sd15-fp16"))}
    found = real.load(wanted(file, "StableDiffusionPipeline", "diffusers", "float16,vae=float32", **more))
    (scanned,) = scan(place(file), make_request("float16,vae=float32", None, None, (), known), known).pipelines
    for component in scanned.components:
        assert set(component.loads().counts) == {parse(dtype) for dtype, *_ in found["parts"][component.name].values()} == {F32}


Old = Callable[[list[dict[str, Any]]], list[Any]]


@pytest.fixture(scope="session")
def old() -> Old:
    """Loads in the older environment, whose python DTYPECHECK_OLD_PYTHON names."""
    python = os.environ.get("DTYPECHECK_OLD_PYTHON")
    if not python:
        pytest.skip("DTYPECHECK_OLD_PYTHON names no python with transformers 4.57.6 and diffusers 0.35.2")

    def ask(items: list[dict[str, Any]]) -> list[Any]:
        settings = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", ""), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        command = [python, str(Path(__file__).with_name("real.py"))]
        done = subprocess.run(
            command, input=json.dumps(items), capture_output=True, text=True, check=False, env=settings, timeout=3000
        )
        assert done.returncode == 0, done.stderr[-2000:]
        answer = json.loads(done.stdout)
        assert [f"{name}=={answer['versions'][name]}" for name in ("transformers", "diffusers")] == list(OLD)
        found: list[Any] = answer["found"]
        return found

    return ask


@pytest.mark.slow
def test_the_older_pair_loads_pipelines_as_planned_for_it(
    folder: Callable[[str], Path], known: Knowledge, old: Old, record_property: Callable[[str, object], None]
) -> None:
    cases = list(dict.fromkeys(OLD_CASES))
    found = old([of_index(folder(name), for_kind(dtypes, name), variant) for name, dtypes, variant in cases])
    record_property("combinations", len(cases))
    record_property("tensors", all_as_planned(cases, found, folder, known))


@pytest.mark.slow
def test_the_older_pair_loads_lone_models_as_planned_for_it(
    model_folder: Any, known: Knowledge, old: Old, record_property: Callable[[str, object], None]
) -> None:
    places = {name: model_folder(name) for name, _, _ in MODELS_ONCE}
    found = old([wanted(*places[name], dtypes, variant) for name, dtypes, variant in MODELS_ONCE])
    record_property("combinations", len(MODELS_ONCE))
    record_property("tensors", all_as_planned(MODELS_ONCE, found, lambda name: places[name][0], known))


def all_as_planned(cases: list[Case], found: list[Any], folder: Callable[[str], Path], known: Knowledge) -> int:
    wrong, total = [], 0
    for case, item in zip(cases, found, strict=True):
        try:
            total += check(folder(case[0]), case, known, item, OLD)
        except AssertionError as fault:
            wrong.append(f"{name_of(case)}: {fault}"[:600])
    assert not wrong, "\n".join([f"{len(wrong)} of {len(cases)}", *wrong])
    return total


@pytest.mark.slow
def test_the_older_pair_loads_single_files_as_planned_for_it(
    folder: Callable[[str], Path],
    model_folder: Any,
    tmp_path: Path,
    known: Knowledge,
    old: Old,
    record_property: Callable[[str, object], None],
) -> None:
    items, pipelines = [], []
    for kind in SINGLE:
        settings, klass, library = model_folder(f"{kind}-fp16")
        file = Path(shutil.copy(settings / "diffusion_pytorch_model.safetensors", tmp_path / f"{kind}.safetensors"))
        for dtypes in PLAIN:
            items.append(wanted(file, klass, library, dtypes, method="from_single_file", config=str(settings)))
            pipelines.append(planned(file, dtypes, None, known, OLD))
    file = saved.bundle(tmp_path / "flux.safetensors", "fp16", "bf16")
    more = {"method": "from_single_file", "config": str(folder("flux-fp16")), "without": ["vae", "transformer"]}
    for dtypes in PLAIN:
        items.append(wanted(file, "FluxPipeline", "diffusers", dtypes, **more))
        pipeline = planned(file, dtypes, None, known, OLD)
        pipelines.append(replace(pipeline, components=pipeline.of_role("text_encoder")))
    together = zip(pipelines, old(items), strict=True)
    record_property("combinations", len(items))
    record_property("tensors", sum(compare(pipeline, found, known, tmp_path) for pipeline, found in together))


@pytest.mark.slow
@pytest.mark.parametrize("dtypes", PLAIN, ids=lambda dtypes: dtypes or "no dtype")
def test_kept_names_are_searched_anywhere_by_transformers_5_and_between_dots_by_4(
    dtypes: str, model_folder: Any, known: Knowledge, old: Old
) -> None:
    """By parameter names: transformers 5 makes one tensor of each gate_proj and up_proj, which no key of the file names."""
    path, klass, library = model_folder("ernie-fp16")
    item = wanted(path, klass, library, dtypes)
    for found, libraries in ((real.load(item), ()), (old([item])[0], OLD)):
        pipeline = planned(path, dtypes, None, known, libraries)
        (component,) = pipeline.components
        counts: Counter[DType] = Counter()
        for name, (text, shape, _) in found["parts"][""].items():
            dtype = parameter_dtype(component, name, F16, pipeline.request, known)
            assert parse(text) is dtype, name
            counts[dtype] += Tensor(name, dtype, tuple(shape)).elements
        assert dict(counts) == dict(component.loads().counts)


@pytest.mark.slow
def test_the_same_float16_folder_without_a_dtype_runs_with_the_older_pair_and_crashes_with_the_newer(
    folder: Callable[[str], Path], known: Knowledge, old: Old
) -> None:
    path = folder("sdxl-fp16")
    assert old([{"step": str(path)}]) == ["ran"]
    assert "must have the same dtype" in real.step(str(path))
    assert dtypes_planned(path, known, OLD) == {F32}
    assert dtypes_planned(path, known, ("transformers==5.23.0", "diffusers==0.42.1")) == {F16, F32}


def dtypes_planned(path: Path, known: Knowledge, libraries: tuple[str, ...]) -> set[DType | None]:
    return {component.loads().dtype for component in planned(path, "", None, known, libraries).components}
