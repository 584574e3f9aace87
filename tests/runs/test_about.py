"""An exception is about dtypes when dtypes do not go together, and not because the word stands in its text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.about import about_dtypes
from dtypecheck.runs.script import rehearse_script

NOTHING: Any = None
HALF, WIDE = torch.ones(2, 2, dtype=torch.float16), torch.ones(2, 2)


def _raise(fault: BaseException, cause: BaseException | None = None) -> None:
    raise fault from cause


MISMATCHES: dict[str, Callable[[], object]] = {
    "matmul": lambda: HALF @ WIDE,
    "a linear layer": lambda: torch.nn.Linear(2, 2)(HALF),
    "a convolution": lambda: torch.nn.functional.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 2, dtype=torch.float16)),
    "a mask": lambda: torch.nn.functional.scaled_dot_product_attention(*[HALF[None]] * 3, attn_mask=WIDE.double()),
    "no such dtype in numpy": lambda: torch.ones(1, dtype=torch.bfloat16).numpy(),
    "a limit": lambda: torch.zeros(1, dtype=torch.float16).masked_fill(torch.ones(1) > 0, -1e9),
    "a dtype that no table has": lambda: {torch.float32: "f"}[torch.bfloat16],
    "a dtype that this torch has not": lambda: getattr(torch, "torch.bfloat16"),
    "a text for a dtype": lambda: torch.zeros(1, dtype=NOTHING or "float16"),  # type: ignore[call-overload]
    "a library's own check": lambda: _raise(ValueError("expected dtype float32 but got float16")),
    "wrapped": lambda: _raise(RuntimeError("step 3 failed: dtype"), RuntimeError("expected scalar type Half but found Float")),
}
OTHERS: dict[str, Callable[[], object]] = {
    "nothing there": lambda: NOTHING.dtype,
    "no such attribute": lambda: [].dtype,  # type: ignore[attr-defined]
    "no such function": lambda: torch.dtype_of,  # type: ignore[attr-defined]
    "an argument that is not taken": lambda: int(dtype="float16"),  # type: ignore[call-overload]
    "no such argument": lambda: (lambda x: x)(1, torch_dtype=2),  # type: ignore[call-arg, misc]
    "one that is missing": lambda: (lambda dtype: dtype)(),  # type: ignore[call-arg, misc]
    "a dtype that is called": lambda: torch.float16(),  # type: ignore[operator]
    "a sum with a dtype": lambda: torch.float16 + 1,  # type: ignore[operator]
    "torch lists what it takes": lambda: torch.randn("two", generator=None),  # type: ignore[call-overload]
    "a name": lambda: dtype,  # type: ignore[name-defined] # noqa: F821
    "a key": lambda: {}["dtype"],
    "a name in a table": lambda: {"fp16": 1}["float16"],
    "a module": lambda: __import__("no_dtypes_here"),
    "a file": lambda: Path("model.bfloat16.bin").read_bytes(),
    "wrapped": lambda: _raise(RuntimeError("failed: no attribute 'dtype'"), AttributeError("no attribute 'dtype'")),
    "another error": lambda: _raise(RuntimeError("size mismatch for weight")),
}


def _fault(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as told:  # noqa: PT011 - whatever it is
        act()
    fault = told.value
    assert isinstance(fault, Exception)
    return fault


@pytest.mark.parametrize("name", MISMATCHES)
def test_dtypes_that_do_not_go_together_are_told(name: str) -> None:
    fault = _fault(MISMATCHES[name])
    assert about_dtypes(fault), repr(fault)


@pytest.mark.parametrize("name", OTHERS)
def test_an_error_that_only_names_dtypes_is_another_error(name: str) -> None:
    fault = _fault(OTHERS[name])
    assert not about_dtypes(fault), repr(fault)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("head = None; head.dtype", "AttributeError: 'NoneType' object has no attribute 'dtype' (serve.py:2)"),
        ("torch.nn.Linear(2, 2)(torch_dtype=1)", "TypeError: Linear.forward() got an unexpected keyword argument 'torch_dtype'"),
        ("import ml_dtypes_", "ModuleNotFoundError: No module named 'ml_dtypes_' (serve.py:2)"),
    ],
)
def test_a_rehearsal_leaves_it_undecided_and_says_why(
    line: str, reason: str, tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("serve.py").write_text(dedent(f"import torch\n{line}\n"))
    run = rehearse_script(Path("serve.py"), (), known, "cuda")
    assert (run.verdict, run.crash) == ("unknown", None)
    assert run.reason.startswith(reason)
