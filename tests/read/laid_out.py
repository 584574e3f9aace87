"""What a reader reads of files in memory."""

from __future__ import annotations

import json

from dtypecheck.files import Files, Memory
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.layout import Reader, Reading
from dtypecheck.subjects import Component, Pipeline, Problem
from dtypecheck.testing import lay_out, safetensors

KNOWN = Knowledge()


def shard(*keys: str, dtype: str = "F16") -> bytes:
    content, size = safetensors([(key, dtype, (2,)) for key in keys])
    return content + bytes(size - len(content))


def readings(files: Files) -> list[Reading]:
    return list(Reader(files, KNOWN).readings())


def pipelines(files: Files) -> list[Pipeline]:
    return [reading.pipeline for reading in readings(files) if reading.pipeline]


def problems(files: Files) -> list[Problem]:
    return [problem for reading in readings(files) for problem in reading.problems]


def one(files: Files) -> Pipeline:
    (pipeline,) = pipelines(files)
    return pipeline


def example(text: str) -> Memory:
    return lay_out(text).files


def component(files: Files) -> Component:
    (found,) = one(files).components
    return found


W = "a.weight F16 4x4"

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}

PIPELINE = f"""
    model_index.json: {json.dumps(INDEX)}
    vae/config.json: {{"_class_name": "AutoencoderKL"}}
    vae/diffusion_pytorch_model.safetensors: {W}
    vae/diffusion_pytorch_model.fp16.safetensors: {W}
    text_encoder/config.json: {{"architectures": ["CLIPTextModel"], "torch_dtype": "float16"}}
    text_encoder/model.safetensors: {W}
    scheduler/scheduler_config.json: {{"_class_name": "DDIMScheduler"}}
    text_encoder/notes.txt: text "hello"
"""
