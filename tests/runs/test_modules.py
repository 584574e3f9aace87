"""Which module runs, which one raised, and what went through each."""

from __future__ import annotations

from typing import Any

import pytest

from dtypecheck.dtypes import BF16, F16, F32, I64, DType

torch = pytest.importorskip("torch")

from dtypecheck.runs.modules import Modules, dtype_of  # noqa: E402
from dtypecheck.subjects.shown import ModuleRow  # noqa: E402

nn = torch.nn


class Block(nn.Module):
    """A module with parts, one of which it makes on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.proj = nn.Linear(4, 3)

    def forward(self, x: Any, *, scale: float = 1.0) -> Any:
        return nn.Identity()(self.proj(self.norm(x)) * scale)


def listened(block: Any, *args: Any, **kwargs: Any) -> Modules:
    modules = Modules()
    modules.name({"unet": block, "scheduler": object()})
    with modules.listening():
        block(*args, **kwargs)
    return modules


def test_a_run_without_fault_leaves_no_trace_on_the_stack() -> None:
    modules = listened(Block(), torch.ones(2, 4))
    assert (modules.stack, modules.failed, modules.here) == ([], None, "")


def test_listening_is_over_afterwards_also_after_a_fault() -> None:
    call = nn.Module.__call__
    listened(Block(), torch.ones(2, 4))
    assert nn.Module.__call__ is call
    with pytest.raises(RuntimeError):
        listened(Block(), torch.ones(2, 5))
    assert nn.Module.__call__ is call


def test_each_module_has_a_row_with_its_calls_and_dtypes() -> None:
    block = Block()
    modules = Modules()
    modules.name({"unet": block})
    with modules.listening():
        block(torch.ones(2, 4))
        block(x=torch.ones(2, 4), scale=2.0)
    assert modules.rows() == (
        ModuleRow("unet", 2, F32, F32),
        ModuleRow("unet.norm", 2, F32, F32),
        ModuleRow("unet.proj", 2, F32, F32),
        ModuleRow("unet.Identity", 2, F32, F32),
    )


def test_a_module_that_changes_the_dtype_shows_both() -> None:
    class Cast(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"ids": torch.ones(1, dtype=torch.int64), "x": [x.to(torch.bfloat16)]}

    assert listened(Cast(), torch.ones(2)).rows() == (ModuleRow("unet", 1, F32, BF16),)


def test_a_module_that_sees_no_floats_has_no_dtypes() -> None:
    assert listened(nn.Identity(), torch.ones(2, dtype=torch.int64)).rows() == (ModuleRow("unet", 1, None, None),)


def test_a_part_that_two_places_share_is_known_by_its_first() -> None:
    shared = nn.Linear(2, 2)
    modules = Modules()
    modules.name({"text_encoder": nn.Sequential(shared), "transformer": nn.Sequential(shared)})
    assert modules.path(shared) == "text_encoder.0"


def test_the_innermost_module_that_raised_is_the_one_to_blame_with_what_it_was_given() -> None:
    block = Block()
    block.proj.half()
    modules = Modules()
    modules.name({"unet": block})
    with modules.listening(), pytest.raises(RuntimeError):
        block(torch.ones(2, 4))
    assert (modules.failed, modules.stack) == ("unet.proj", [])
    operator, operands = modules.given
    assert (operator, [role for role, _ in operands]) == ("linear", ["input", "weight", "bias"])
    assert [dtype_of(tensor) for _, tensor in operands] == [F32, F16, F16]


def test_a_fault_that_is_caught_and_followed_by_another_keeps_the_first_place() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            try:
                return self.first(x)
            except RuntimeError:
                return self.second(x)

    with pytest.raises(RuntimeError):
        listened(Twice(), torch.ones(2, 4))
    modules = Modules()
    whole = Twice()
    modules.name({"unet": whole})
    with modules.listening(), pytest.raises(RuntimeError):
        whole(torch.ones(2, 4))
    assert modules.failed == "unet.first"


def test_a_module_with_parts_names_no_operator_of_its_own() -> None:
    class Glue(Block):
        def forward(self, x: Any, *, scale: float = 1.0) -> Any:
            raise RuntimeError("between parts")

    modules = Modules()
    glue = Glue()
    modules.name({"unet": glue})
    with modules.listening(), pytest.raises(RuntimeError):
        glue(torch.ones(2, 4))
    assert (modules.failed, modules.given) == ("unet", ("", ()))


@pytest.mark.parametrize(("torch_dtype", "ours"), [(torch.float16, F16), (torch.bfloat16, BF16), (torch.int64, I64)])
def test_a_tensor_s_dtype_has_our_name(torch_dtype: Any, ours: DType) -> None:
    assert dtype_of(torch.ones(1, dtype=torch_dtype)) is ours
