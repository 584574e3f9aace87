"""Conversions carried out on tiny real models, held against what from_pretrained(torch_dtype=...) and save_pretrained write."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32, DType
from dtypecheck.edits import Edit
from dtypecheck.engine import planned
from dtypecheck.files import place
from dtypecheck.fixing.convert import Wish, conversions, restore
from dtypecheck.fixing.outcome import Stored, Text, outcome
from dtypecheck.fixplan import Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make

torch = pytest.importorskip("torch", reason="real models need torch")
diffusers = pytest.importorskip("diffusers", reason="real models need diffusers")
transformers = pytest.importorskip("transformers", reason="real models need transformers")
safetensors = pytest.importorskip("safetensors.torch", reason="real models need safetensors")

from tests.loading import real, saved, tiny  # noqa: E402

State = dict[str, Any]
CASES = [("sdxl", F16), ("wan", F16)]
REST = [(kind, dtype) for kind in tiny.PIPELINES for dtype in (F16, BF16) if (kind, dtype) not in CASES]


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a name as tests/loading/saved.py makes it, which no test changes."""
    root = tmp_path_factory.mktemp("originals")
    return lambda name: saved.make(name, root / name)


@pytest.fixture
def folder(original: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy to change."""
    return lambda name: Path(shutil.copytree(original(name), tmp_path / name))


def carry_out(root: Path, edits: Iterable[Edit]) -> None:
    """What the edits say, written into a folder, or beside a single file."""
    from dtypecheck.fixing.cast.write import write

    files = place(root)
    top = root if root.is_dir() else root.parent
    made = outcome(files, edits)
    aside = top.parent / f"{top.name}.aside"
    aside.mkdir()
    for number, content in enumerate(made.contents.values()):
        if isinstance(content, Text):
            (aside / str(number)).write_bytes(content.data)
        else:
            assert isinstance(content, Stored)
            with (aside / str(number)).open("w+b") as out:
                write(files, content.layout, out)
        assert (aside / str(number)).stat().st_size == content.size
    for path in made.gone:
        (top / path).unlink()
    for number, path in enumerate(made.contents):
        (aside / str(number)).replace(top / path)
    aside.rmdir()


def steps_for(root: Path, wish: Wish, known: Knowledge, variant: str | None = None) -> tuple[list[Step], list[Refused]]:
    steps: list[Step] = []
    refused: list[Refused] = []
    for pipeline in planned(place(root), make(None, variant, None, (), known), known):
        done, no = conversions(pipeline, place(root), wish, known)
        steps += done
        refused += no
    return steps, refused


def convert(root: Path, wish: Wish, known: Knowledge, variant: str | None = None) -> list[Step]:
    """Every step of a conversion, carried out."""
    steps, refused = steps_for(root, wish, known, variant)
    assert refused == []
    carry_out(root, [edit for step in steps for edit in step.edits])
    return steps


def weights(path: Path, variant: str | None = None) -> tuple[set[str], State]:
    """The names of the weight files and indexes of a variant in a folder, and their tensors together."""
    marked = [file for file in path.iterdir() if "model" in file.name and (f".{variant}" in file.name if variant else True)]
    names = {file.name for file in marked}
    state: State = {}
    for file in marked:
        if file.suffix == ".safetensors":
            state |= safetensors.load_file(file)
    return names, state


def assert_same(ours: State, theirs: State) -> None:
    """Keys, dtypes and every bit."""
    assert sorted(ours) == sorted(theirs)
    for key, tensor in theirs.items():
        assert ours[key].dtype is tensor.dtype, key
        assert torch.equal(ours[key], tensor), key


def torch_dtype(dtype: DType) -> Any:
    return getattr(torch, dtype.torch)


def by_the_library(path: Path, klass: type, dtype: DType, out: Path, variant: str | None = None, **options: Any) -> None:
    """What the library itself makes of a component's folder."""
    model = klass.from_pretrained(path, torch_dtype=torch_dtype(dtype), local_files_only=True)  # type: ignore[attr-defined]
    model.save_pretrained(out, variant=variant, **options)
    if klass is transformers.CLIPTextModel:
        saved._name_as_on_the_hub(out)


def parts(root: Path) -> dict[str, type]:
    """The class of each component that holds weights, by name."""
    listed = json.loads((root / "model_index.json").read_text())
    named = {name: value for name, value in listed.items() if isinstance(value, list) and value[1] and name != "scheduler"}
    return {name: getattr(importlib.import_module(library), klass) for name, (library, klass) in named.items()}


def check(kind: str, dtype: DType, original: Callable[[str], Path], tmp_path: Path, known: Knowledge) -> None:
    source = original(f"{kind}-fp32")
    there, beside, aside = (tmp_path / name for name in ("there", "beside", "library"))
    shutil.copytree(source, there)
    shutil.copytree(source, beside)
    convert(there, Wish(dtype), known)
    steps = convert(beside, Wish(dtype, variant=dtype.short), known)
    assert all(step.lossless for step in steps)
    for name, klass in parts(source).items():
        by_the_library(source / name, klass, dtype, aside / name)
        by_the_library(source / name, klass, dtype, aside / name, dtype.short)
        for place_, variant in ((there, None), (beside, dtype.short)):
            ours, state = weights(place_ / name, variant)
            theirs, wanted = weights(aside / name, variant)
            assert ours == (theirs if variant else {file for file in theirs if dtype.short not in file})
            assert_same(state, wanted)
        assert (beside / name / "config.json").read_bytes() == (source / name / "config.json").read_bytes()
        if issubclass(klass, transformers.PreTrainedModel):
            declared = (json.loads((root / name / "config.json").read_text())["dtype"] for root in (there, aside))
            assert next(declared) == next(declared) == dtype.torch
    klass_name = json.loads((source / "model_index.json").read_text())["_class_name"]
    for place_, variant in ((there, None), (beside, dtype.short)):
        wanted_ = {"path": str(place_), "klass": klass_name, "library": "diffusers", "variant": variant}
        found = real.load({**wanted_, "dtypes": {"": dtype.torch}})
        assert "error" not in found, found
        assert_loads_alike(found, real.load({**wanted_, "path": str(source), "variant": None, "dtypes": {"": dtype.torch}}))


def assert_loads_alike(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found["parts"] == wanted["parts"]


@pytest.mark.parametrize(("kind", "dtype"), CASES, ids=str)
def test_a_pipeline_is_stored_as_the_library_would_store_it(
    kind: str, dtype: DType, original: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    check(kind, dtype, original, tmp_path, known)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "dtype"), REST, ids=str)
def test_every_other_pipeline_is_stored_as_the_library_would_store_it(
    kind: str, dtype: DType, original: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    check(kind, dtype, original, tmp_path, known)


def test_shards_keep_their_names_and_load_with_the_new_numbers(
    original: Callable[[str], Path], folder: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    source, root = original("wan-sharded"), folder("wan-sharded")
    steps = convert(root, Wish(F32), known)
    assert all(step.lossless for step in steps)
    for name, klass in parts(source).items():
        by_the_library(source / name, klass, F32, tmp_path / "library" / name)
        ours, state = weights(root / name)
        assert ours == weights(source / name)[0]
        assert_same(state, weights(tmp_path / "library" / name)[1])
        (index,) = (root / name).glob("*.index.json")
        listed = json.loads(index.read_text())
        assert sorted(listed["weight_map"]) == sorted(state)
        assert listed["metadata"]["total_size"] == sum(tensor.nbytes for tensor in state.values())


@pytest.mark.parametrize(
    "variant", [pytest.param(None, id="in place", marks=pytest.mark.slow), pytest.param("fp32", id="as a variant")]
)
def test_shards_of_a_size_are_those_of_the_library_and_load(
    variant: str | None, original: Callable[[str], Path], folder: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    """The library packs in the order of the model, we in that of the files: as many shards, give or take one."""
    source, root = original("sdxl-sharded"), folder("sdxl-sharded")
    convert(root, Wish(F32, ("unet", "vae"), variant, 30_000), known)
    for name in ("unet", "vae"):
        by_the_library(source / name, parts(source)[name], F32, tmp_path / name, variant, max_shard_size=30_000)
        ours, state = weights(root / name, variant)
        theirs, wanted = weights(tmp_path / name, variant)
        assert_same(state, wanted)
        assert {file for file in ours if "index" in file} == {file for file in theirs if "index" in file}
        assert abs(len(ours) - len(theirs)) <= 1
        for file in (root / name).glob(f"*{variant or ''}-*-of-*.safetensors"):
            tensors = safetensors.load_file(file).values()
            assert sum(tensor.nbytes for tensor in tensors) <= 30_000 or len(tensors) == 1
        model = parts(source)[name].from_pretrained(root / name, variant=variant)  # type: ignore[attr-defined]
        assert_same(dict(model.state_dict()), wanted)


@pytest.mark.parametrize("name", ["sdxl-pickled", pytest.param("flux-pickled-shards", marks=pytest.mark.slow)])
def test_pickles_become_safetensors_under_the_names_of_the_library(
    name: str, original: Callable[[str], Path], folder: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    source, root = original(name), folder(name)
    steps = convert(root, Wish(F16), known)
    assert all("pickle -> safetensors" in step.change for step in steps)
    for part, klass in parts(source).items():
        assert not list((root / part).glob("*.bin*"))
        ours, state = weights(root / part)
        pickled = [torch.load(file, weights_only=True) for file in (source / part).glob("*.bin")]
        assert_same(without_kept(state), without_kept({key: t for held in pickled for key, t in held.items()}, state))
        if "shards" not in name:
            by_the_library(source / part, klass, F16, tmp_path / part)
            assert ours == weights(tmp_path / part)[0]
        model = klass.from_pretrained(root / part, torch_dtype=torch.float16)  # type: ignore[attr-defined]
        if "shards" not in name or issubclass(klass, transformers.PreTrainedModel):  # diffusers reads no index of pickles
            wanted = klass.from_pretrained(source / part, torch_dtype=torch.float16)  # type: ignore[attr-defined]
            assert_same(dict(model.state_dict()), dict(wanted.state_dict()))


def without_kept(state: State, like: State | None = None) -> State:
    """Without what became fp32 by a keep list (in `like`)."""
    return {key: tensor for key, tensor in state.items() if (like or state)[key].dtype is torch.float16}


def test_tied_weights_of_a_pickle_keep_both_names_and_load(tmp_path: Path, known: Knowledge) -> None:
    path, klass, _ = saved.make_model("t5_tied-pickled", tmp_path / "t5")
    made = getattr(transformers, klass)
    wanted = made.from_pretrained(path, torch_dtype=torch.bfloat16).state_dict()
    keys = set(torch.load(path / "pytorch_model.bin", weights_only=True))
    convert(path, Wish(BF16), known)
    assert set(safetensors.load_file(path / "model.safetensors")) == keys
    assert_same(dict(made.from_pretrained(path, torch_dtype=torch.bfloat16).state_dict()), dict(wanted))


def test_an_old_spelling_of_a_variant_is_replaced_and_the_new_one_is_read(
    original: Callable[[str], Path], folder: Callable[[str], Path], known: Knowledge
) -> None:
    source, root = original("sdxl-beside-old-names"), folder("sdxl-beside-old-names")
    steps = convert(root, Wish(F16, ("unet",), "fp16"), known)
    assert "replaces" in "; ".join(steps[0].costs)
    assert not steps[0].lossless
    assert not list((root / "unet").glob("*.fp16.index.json"))
    klass = parts(source)["unet"]
    model = klass.from_pretrained(root / "unet", variant="fp16", torch_dtype=torch.float16)  # type: ignore[attr-defined]
    plain = klass.from_pretrained(source / "unet", torch_dtype=torch.float16)  # type: ignore[attr-defined]
    assert_same(dict(model.state_dict()), dict(plain.state_dict()))


def test_kept_parts_are_restored_from_the_fp32_files_bit_by_bit(folder: Callable[[str], Path], known: Knowledge) -> None:
    root = folder("wan-beside")
    files = place(root)
    (pipeline,) = planned(files, make(None, "fp16", None, (), known), known)
    component = pipeline.named("transformer")
    assert component is not None
    path = root / "transformer" / "diffusion_pytorch_model.fp16.safetensors"
    state = {key: tensor.half() for key, tensor in safetensors.load_file(path).items()}
    safetensors.save_file(state, path, {"format": "pt"})
    (pipeline,) = planned(files, make(None, "fp16", None, (), known), known)
    component = pipeline.named("transformer")
    assert component is not None
    step = restore(pipeline, component, files, known)
    assert isinstance(step, Step)
    carry_out(root, step.edits)
    plain = safetensors.load_file(root / "transformer" / "diffusion_pytorch_model.safetensors")
    changed = safetensors.load_file(path)
    kept = {key for key, tensor in changed.items() if tensor.dtype is torch.float32}
    names = diffusers.WanTransformer3DModel._keep_in_fp32_modules
    assert kept == {key for key in plain if set(key.split(".")) & set(names)}
    assert_same(changed, {key: plain[key] if key in kept else state[key] for key in state})


def test_one_component_of_a_checkpoint_changes_and_the_file_still_loads(
    original: Callable[[str], Path], tmp_path: Path, known: Knowledge
) -> None:
    file = saved.original(tmp_path / "v1.safetensors", dict.fromkeys(("unet", "vae", "text_encoder"), "fp32"))
    before = safetensors.load_file(file)
    convert(file, Wish(F16, ("vae",)), known)
    half = {key: tensor.half() if key.startswith("first_stage_model.") else tensor for key, tensor in before.items()}
    assert_same(safetensors.load_file(file), half)
    convert(file, Wish(BF16), known)
    assert_same(safetensors.load_file(file), {key: tensor.bfloat16() for key, tensor in half.items()})
    config = str(original("sd15-fp16"))
    wanted = {"path": str(file), "klass": "StableDiffusionPipeline", "library": "diffusers", "method": "from_single_file"}
    found = real.load({**wanted, "config": config, "dtypes": {"": "bfloat16"}})
    assert "error" not in found, found
    assert {dtype for part in found["parts"].values() for dtype, *_ in part.values()} <= {"bfloat16", "int64"}


def test_a_pickled_checkpoint_becomes_a_safetensors_file_beside_itself(tmp_path: Path, known: Knowledge) -> None:
    file = saved.original(tmp_path / "v1.safetensors", dict.fromkeys(("unet", "vae", "text_encoder"), "fp32"))
    before = safetensors.load_file(file)
    file.unlink()
    pickled = tmp_path / "v1.ckpt"
    torch.save({"state_dict": before, "optimizer_states": {"step": torch.ones(2)}}, pickled)
    (same,), _ = steps_for(pickled, Wish(F32), known)
    assert (same.change, same.lossless) == ("pickle -> safetensors", False)
    assert "left out: optimizer_states: 1 tensor" in "; ".join(same.costs)
    steps_, refused = steps_for(pickled, Wish(F32, whole_safetensors=False), known)
    assert (steps_, [no.why for no in refused]) == ([], ["it is already fp32"])
    convert(pickled, Wish(F16), known)
    assert not pickled.exists()
    assert_same(safetensors.load_file(file), {key: tensor.half() for key, tensor in before.items()})


def test_a_lora_keeps_its_names_and_its_alphas(tmp_path: Path, known: Knowledge) -> None:
    state = {
        f"lora_unet_down_blocks_0_{name}.{end}": tensor
        for name in ("to_q", "to_k")
        for end, tensor in (
            ("alpha", torch.tensor(0.1)),
            ("lora_down.weight", torch.randn(4, 8)),
            ("lora_up.weight", torch.randn(8, 4)),
        )
    }
    file = tmp_path / "lora.safetensors"
    safetensors.save_file(state, file, {"ss_network_alpha": "0.1"})
    (step,) = convert(file, Wish(BF16), known)
    wanted = {key: tensor if key.endswith("alpha") else tensor.bfloat16() for key, tensor in state.items()}
    assert_same(safetensors.load_file(file), wanted)
    assert step.change == "fp32 -> bf16, 4 tensors"


def test_an_embedding_is_cast_and_one_whose_token_would_be_lost_is_refused(tmp_path: Path, known: Knowledge) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "learned_embeds.bin"
    vector = torch.randn(1, 16)
    torch.save({"<cat>": vector}, file)
    convert(file, Wish(F16), known)
    assert_same(safetensors.load_file(file.with_suffix(".safetensors")), {"<cat>": vector.half()})
    webui = tmp_path / "cat.pt"
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": vector}, "name": "cat"}, webui)
    steps, (no,) = steps_for(webui, Wish(F16), known)
    assert steps == []
    assert "the token" in no.why


def test_a_conversion_done_twice_is_a_conversion_done_once(folder: Callable[[str], Path], known: Knowledge) -> None:
    root = folder("wan-fp32")
    convert(root, Wish(F16), known)
    steps, refused = steps_for(root, Wish(F16), known)
    assert steps == []
    assert {no.why.rpartition(" ")[2] for no in refused} == {"fp16"}
