"""Models in memory, and the steps that convert them."""

# ruff: noqa: E501 - a file of the notation is one line

from __future__ import annotations

import json
from typing import Any

from dtypecheck.edits import Edit
from dtypecheck.engine import planned
from dtypecheck.files import Files, Memory
from dtypecheck.fixing.convert import Wish, conversions
from dtypecheck.fixplan import Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.formats import read_header
from dtypecheck.request import make
from dtypecheck.subjects import Pipeline
from dtypecheck.testing.files import lay_out

NEW = ("transformers==5.23.0", "diffusers==0.42.1")

T5 = """
config.json: {"architectures": ["T5EncoderModel"], "model_type": "t5", "dtype": "float32"}
model.safetensors: encoder.block.0.layer.1.DenseReluDense.wo.weight F32 4x4; encoder.final_layer_norm.weight F32 4; shared.weight F32 8x4; steps I64 2
"""

VAE = """
config.json: {"_class_name": "AutoencoderKL"}
diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4; encoder.conv_in.weight F32 8x4
"""

SHARDED = """
config.json: {"_class_name": "UNet2DConditionModel"}
diffusion_pytorch_model.safetensors.index.json: {"metadata": {"total_size": 192, "dtype": "float32", "by": "me"}, "weight_map": {"a.weight": "diffusion_pytorch_model-00001-of-00002.safetensors", "b.weight": "diffusion_pytorch_model-00001-of-00002.safetensors", "c.weight": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
diffusion_pytorch_model-00001-of-00002.safetensors: a.weight F32 4x4; b.weight F32 4x4
diffusion_pytorch_model-00002-of-00002.safetensors: c.weight F32 4x4
"""


def read(text: str, known: Knowledge, dtype: str | None = None, variant: str | None = None) -> tuple[Pipeline, Memory]:
    """The one pipeline of an example, planned."""
    files = lay_out(text).files
    (pipeline,) = planned(files, make(dtype, variant, None, NEW, known), known)
    return pipeline, files


def converted(text: str, wish: Wish, known: Knowledge, **request: str) -> tuple[tuple[Step, ...], tuple[Refused, ...]]:
    pipeline, files = read(text, known, **request)
    return conversions(pipeline, files, wish, known)


def one(text: str, wish: Wish, known: Knowledge, **request: str) -> Step:
    steps, refused = converted(text, wish, known, **request)
    assert refused == ()
    (step,) = steps
    return step


def why(text: str, wish: Wish, known: Knowledge, **request: str) -> Refused:
    steps, refused = converted(text, wish, known, **request)
    assert steps == ()
    (no,) = refused
    return no


def stored(files: Files, path: str) -> dict[str, str]:
    """What a weight file holds: dtype names by key."""
    entry = next(entry for entry in files.entries() if entry.name == path)
    header = read_header("safetensors" if path.endswith(".safetensors") else "pickled", files, entry)
    assert header.tensors is not None
    assert header.problems == ()
    return {tensor.key: tensor.dtype.name for tensor in header.tensors}


def names(files: Files) -> list[str]:
    return [entry.name for entry in files.entries()]


def kinds(step: Step) -> list[str]:
    return [type(edit).__name__ for edit in step.edits]


def of_kind(step: Step, kind: type[Edit]) -> list[Any]:
    return [edit for edit in step.edits if isinstance(edit, kind)]


def index_of(files: Files, path: str) -> Any:
    return json.loads(files.read(path))
