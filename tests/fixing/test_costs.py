"""The numbers decide: a cast that would make inf is refused by name, and what a cast loses is said in the plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dtypecheck.dtypes import F16
from dtypecheck.files import Directory
from dtypecheck.fixing.propose import Wish, propose
from dtypecheck.fixing.propose.costs import with_costs
from dtypecheck.fixplan import FixPlan
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make

KNOWN = Knowledge()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))
    tensors = {
        "conv_in.weight": torch.linspace(0.5, 2, 64 * 64).reshape(64, 64),
        "conv_in.bias": torch.full((100,), 1e-9),
        "ids": torch.arange(4),
    }
    save_file(tensors, tmp_path / "diffusion_pytorch_model.safetensors")
    return tmp_path


def plan(model: Path, **wish: object) -> FixPlan:
    request = make(None, None, None, (), KNOWN)
    files = Directory(model)
    return with_costs(files, propose(files, request, KNOWN, Wish(to=F16, **wish)).plan)  # type: ignore[arg-type]


def test_what_underflows_is_said(model: Path) -> None:
    (step,) = plan(model).steps
    assert step.costs == ("nothing overflows, 2.4 % underflow to zero",)


def test_what_becomes_subnormal_is_said_beside_it(model: Path) -> None:
    path = model / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.weight"][0] = 3e-5
    save_file(tensors, path)
    (step,) = plan(model).steps
    assert step.costs == ("nothing overflows, 2.4 % underflow to zero, 1.5 % become subnormal",)


def test_a_number_that_would_become_inf_refuses_the_step_by_name(model: Path) -> None:
    path = model / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors["conv_in.weight"][3, 5] = -70_000
    save_file(tensors, path)
    made = plan(model)
    assert not made.steps
    (left,) = made.refused
    assert "conv_in.weight holds 70000, fp16 ends at 65504: one of its numbers would become inf" in left.why
    assert {"--to bf16", "--clamp"} <= set(left.offers)
    assert plan(model, clamp=True).steps
