"""Kept parts put back into fp32, and indexes made again from the headers of their shards."""
# ruff: noqa: E501 - a file of the notation is one line

from __future__ import annotations

import json

import pytest

from dtypecheck.edits import Put, SetKey, Store, Take
from dtypecheck.engine import judge, planned
from dtypecheck.fixing.convert import index, restore
from dtypecheck.fixing.overlay import after
from dtypecheck.fixplan import Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make
from dtypecheck.testing.files import lay_out
from tests.fixing.convert_cases import NEW, SHARDED, index_of, names, stored

WO = "encoder.block.0.layer.1.DenseReluDense.wo.weight"
NARROW = f"""
config.json: {{"architectures": ["T5EncoderModel"], "model_type": "t5", "dtype": "float32"}}
model.safetensors: {WO} F16 4x4; shared.weight F32 8x8
"""
BESIDE = NARROW + f"model.fp32.safetensors: {WO} F32 4x4; shared.weight F32 8x8\n"
INDEX = "diffusion_pytorch_model.safetensors.index.json"


def restored(text: str, known: Knowledge) -> Step | Refused:
    files = lay_out(text).files
    (pipeline,) = planned(files, make(None, None, None, NEW, known), known)
    return restore(pipeline, pipeline.components[0], files, known)


def codes(text: str, known: Knowledge, *steps: Step) -> set[str]:
    files = after(lay_out(text).files, [edit for step in steps for edit in step.edits])
    (pipeline,) = planned(files, make(None, None, None, NEW, known), known)
    return {finding.code for finding in judge(pipeline, (), known)}


def test_kept_parts_come_from_the_fp32_file_where_there_is_one(known: Knowledge) -> None:
    step = restored(BESIDE, known)
    assert isinstance(step, Step)
    (store,) = step.edits
    assert isinstance(store, Store)
    assert store.takes == (Take("model.fp32.safetensors", "wo", "F32"), Take("model.safetensors"))
    assert store.keys == (WO, "shared.weight")
    assert step.costs == ("taken from model.fp32.safetensors",)
    assert stored(after(lay_out(BESIDE).files, step.edits), "model.safetensors") == {WO: "F32", "shared.weight": "F32"}


def test_without_one_they_are_widened_and_the_loss_is_told(known: Knowledge) -> None:
    step = restored(NARROW, known)
    assert isinstance(step, Step)
    assert step.lossless
    assert "does not come back" in "; ".join(step.costs)
    assert step.strategy == "keep-fp32"
    assert "DT112" in codes(NARROW, known)
    assert "DT112" not in codes(NARROW, known, step)


def test_another_file_with_other_shapes_or_without_the_parts_is_not_believed(known: Knowledge) -> None:
    for other in (BESIDE.replace(f"model.fp32.safetensors: {WO} F32 4x4", f"model.fp32.safetensors: {WO} F32 4x8"), NARROW):
        step = restored(other, known)
        assert isinstance(step, Step)
        assert "does not come back" in "; ".join(step.costs)


def test_nothing_narrow_or_no_keep_list_is_refused(known: Knowledge) -> None:
    assert isinstance(restored(NARROW.replace("F16", "F32"), known), Refused)
    assert isinstance(restored(NARROW.replace("T5EncoderModel", "CLIPTextModel"), known), Refused)


def test_a_sharded_file_takes_only_its_own_parts_and_its_index_follows(known: Knowledge) -> None:
    text = f"""
config.json: {{"architectures": ["T5EncoderModel"], "model_type": "t5", "dtype": "float32"}}
model.safetensors.index.json: {{"metadata": {{"total_size": 288}}, "weight_map": {{"{WO}": "model-00001-of-00002.safetensors", "shared.weight": "model-00002-of-00002.safetensors"}}}}
model-00001-of-00002.safetensors: {WO} F16 4x4
model-00002-of-00002.safetensors: shared.weight F32 8x8
model.fp32.safetensors: {WO} F32 4x4; shared.weight F32 8x8
"""
    step = restored(text, known)
    assert isinstance(step, Step)
    assert [type(edit) for edit in step.edits] == [Store, SetKey]
    files = after(lay_out(text).files, step.edits)
    assert stored(files, "model-00001-of-00002.safetensors") == {WO: "F32"}
    assert index_of(files, "model.safetensors.index.json")["metadata"]["total_size"] == 16 * 4 + 64 * 4


# indexes


def without(text: str, name: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(name))


@pytest.mark.parametrize(
    ("variant", "name"), [(None, INDEX), ("fp16", "diffusion_pytorch_model.safetensors.index.fp16.json")], ids=["plain", "fp16"]
)
def test_complete_shards_without_an_index_get_one(variant: str | None, name: str, known: Knowledge) -> None:
    text = without(SHARDED, INDEX)
    text = text.replace("model-0000", f"model.{variant}-0000") if variant else text
    (step,), refused = index("", lay_out(text).files)
    assert refused == ()
    (put,) = step.edits
    assert isinstance(put, Put)
    assert put.path == name
    assert json.loads(put.text) == {
        "metadata": {"total_size": 192},
        "weight_map": {
            key: f"diffusion_pytorch_model{'.fp16' if variant else ''}-0000{number}-of-00002.safetensors"
            for key, number in (("a.weight", 1), ("b.weight", 1), ("c.weight", 2))
        },
    }
    (pipeline,) = planned(after(lay_out(text).files, step.edits), make(None, variant, None, NEW, known), known)
    assert pipeline.components[0].loads().failure is None


def test_an_index_that_is_right_is_left_alone() -> None:
    assert index("", lay_out(SHARDED).files) == ((), ())


def test_an_index_that_puts_tensors_into_the_wrong_shard_is_made_again_and_keeps_its_metadata() -> None:
    text = SHARDED.replace('"b.weight": "diffusion_pytorch_model-00001', '"b.weight": "diffusion_pytorch_model-00002')
    (step,), _ = index("", lay_out(text).files)
    made = index_of(after(lay_out(text).files, step.edits), INDEX)
    assert made == index_of(lay_out(SHARDED).files, INDEX)
    assert step.change == "1 tensor found in another shard than it says"


def test_a_broken_index_is_made_again() -> None:
    text = without(SHARDED, INDEX) + f'\n{INDEX}: text "{{\\"weight_map\\": "\n'
    (step,), _ = index("", lay_out(text).files)
    assert index_of(after(lay_out(text).files, step.edits), INDEX)["metadata"] == {"total_size": 192}


def test_an_index_of_other_shards_than_those_that_are_there_is_made_again() -> None:
    text = SHARDED.replace('-of-00002.safetensors"', '-of-00003.safetensors"')
    (step,), _ = index("", lay_out(text).files)
    assert set(index_of(after(lay_out(text).files, step.edits), INDEX)["weight_map"].values()) <= set(names(lay_out(text).files))


def test_a_shard_that_is_not_there_or_tensors_that_are_in_none_are_refused() -> None:
    lost = without(SHARDED, "diffusion_pytorch_model-00002")
    for text in (lost, without(lost, INDEX)):
        steps, (no,) = index("", lay_out(text).files)
        assert steps == ()
        assert "of 2 shards number 2 is not there" in no.why
    text = SHARDED.replace('"c.weight"', '"d.weight"')
    _, (no,) = index("", lay_out(text).files)
    assert "in no shard, the first is d.weight" in no.why


def test_a_damaged_shard_is_refused_by_name() -> None:
    text = without(SHARDED, INDEX).replace("c.weight F32 4x4", "c.weight F32 4x4 | cut 8")
    _, (no,) = index("", lay_out(text).files)
    assert no.place == "diffusion_pytorch_model-00002-of-00002.safetensors"
    assert "cut short" in no.why


def test_two_complete_sets_without_an_index_are_refused_because_nothing_tells_which_is_meant() -> None:
    text = without(SHARDED, INDEX) + "\ndiffusion_pytorch_model-00001-of-00001.safetensors: a.weight F32 4x4\n"
    _, (no,) = index("", lay_out(text).files)
    assert "nothing tells which" in no.why
