"""The heading of what was watched says what it is: a pipeline, a model of a library, or a network of somebody's own."""

from __future__ import annotations

import io

import pytest

from dtypecheck import watch
from dtypecheck.render import terminal
from dtypecheck.render.html import page
from dtypecheck.render.options import Look
from dtypecheck.report import Report

torch = pytest.importorskip("torch")


def seen(network: object, *given: object) -> Report:
    with watch(network) as watched:
        network(*given)  # type: ignore[operator]
    return watched.report


def heading(report: Report) -> str:
    return page(report).partition("<h2>")[2].partition("</h2>")[0]


def test_a_network_of_ones_own_is_a_torch_module_by_its_class() -> None:
    class Net(torch.nn.Linear):  # type: ignore[misc, name-defined]
        pass

    report = seen(Net(2, 2), torch.ones(1, 2))
    assert heading(report) == "Net   torch module, watched on cpu"
    out = io.StringIO()
    terminal.render(report, out, Look(verbosity=1))
    assert out.getvalue().startswith("Net   torch module, watched on cpu\n")


def test_a_model_of_transformers_is_one_also_where_its_class_is_ones_own() -> None:
    transformers = pytest.importorskip("transformers")

    class Mine(transformers.BertModel):  # type: ignore[misc, name-defined]
        pass

    settings = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=30
    )
    said = heading(seen(Mine(settings), torch.ones(1, 3, dtype=torch.long)))
    assert said.startswith("Mine   transformers model, watched on cpu by transformers ")
    assert "no dtype" not in said
    assert "diffusers" not in said
