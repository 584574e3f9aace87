"""What an operator gives for tensors without numbers is remembered, and is what torch would work out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from dtypecheck import api
from dtypecheck.runs.recalled import Recalled
from tests.loading import saved

ATEN = torch.ops.aten


@pytest.fixture
def mode() -> Iterator[FakeTensorMode]:
    with torch.no_grad():
        yield FakeTensorMode(allow_non_fake_inputs=True)


def facts(tensor: Any) -> tuple[object, ...]:
    storage = tensor.untyped_storage()._cdata
    return type(tensor), tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.dtype, tensor.device, storage


class Counted(Recalled):
    """Says how often something was recalled."""

    recalled = 0

    def made(self, result: Any, args: tuple[Any, ...]) -> FakeTensor:
        self.recalled += 1
        return super().made(result, args)


def twice(mode: FakeTensorMode, func: Any, *args: Any, **kwargs: Any) -> int:
    """Ask three times; the answers are alike, and a view is one of the tensor that is given. Gives how many were recalled."""
    recalled = Counted(mode)
    first, again, real = recalled(func, args, kwargs), recalled(func, args, kwargs), func(*args, **kwargs)
    views = func.is_view
    assert facts(first)[: 7 if views else 6] == facts(again)[: 7 if views else 6] == facts(real)[: 7 if views else 6]
    assert views or again.untyped_storage()._cdata not in {arg.untyped_storage()._cdata for arg in args if torch.is_tensor(arg)}
    return recalled.recalled


def fake(mode: FakeTensorMode, *shape: int, dtype: torch.dtype = torch.float16) -> Any:
    with mode:
        return torch.empty(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("func", "more"),
    [
        (ATEN.t.default, ()),
        (ATEN.view.default, ([2, 2, 6],)),
        (ATEN.slice.Tensor, (1, 1, 3)),
        (ATEN.add.Tensor, (1.5,)),
        (ATEN.mul.Tensor, (2,)),
        (ATEN._to_copy.default, ()),
        (ATEN.gelu.default, ()),
        (ATEN.sum.dim_IntList, ([1], True)),
    ],
)
def test_what_hangs_on_shapes_and_dtypes_alone_is_recalled(mode: FakeTensorMode, func: Any, more: tuple[Any, ...]) -> None:
    assert twice(mode, func, fake(mode, 4, 6), *more) == 1


def test_products_and_convolutions_are_recalled_with_their_strides(mode: FakeTensorMode) -> None:
    assert twice(mode, ATEN.addmm.default, fake(mode, 8), fake(mode, 4, 6), fake(mode, 8, 6).t()) == 1
    picture = fake(mode, 1, 3, 8, 8).to(memory_format=torch.channels_last)
    assert (
        twice(mode, ATEN.convolution.default, picture, fake(mode, 5, 3, 3, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        == 1
    )


def test_what_is_otherwise_in_any_way_is_asked_anew(mode: FakeTensorMode) -> None:
    recalled = Counted(mode)
    square = fake(mode, 4, 4)
    asked = [
        (square, 1), (square, 1.0), (square, True), (square.t(), 1), (fake(mode, 4, 5), 1), (fake(mode, 5, 4), 1),
        (fake(mode, 4, 4, dtype=torch.bfloat16), 1), (fake(mode, 4, 8)[:, :4], 1), (fake(mode, 2, 4, 4)[1], 1),
    ]  # fmt: skip
    for args in asked:
        assert facts(recalled(ATEN.add.Tensor, args, {}))[1:5] == facts(ATEN.add.Tensor(*args))[1:5]
    assert recalled.recalled == 0
    whole = fake(mode, 4, 4, dtype=torch.int64)
    default = torch.get_default_dtype()
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            assert recalled(ATEN.div.Tensor, (whole, 2), {}).dtype is dtype
    finally:
        torch.set_default_dtype(default)


def in_place(mode: FakeTensorMode) -> tuple[Any, tuple[Any, ...]]:
    return ATEN.add_.Tensor, (fake(mode, 4, 4), 1)


def with_numbers(mode: FakeTensorMode) -> tuple[Any, tuple[Any, ...]]:
    return ATEN.add.Tensor, (fake(mode, 4, 4), torch.ones(4))


def several(mode: FakeTensorMode) -> tuple[Any, tuple[Any, ...]]:
    return ATEN.split.Tensor, (fake(mode, 4, 4), 2)


def complex_numbers(mode: FakeTensorMode) -> tuple[Any, tuple[Any, ...]]:
    return ATEN.conj_physical.default, (fake(mode, 4, dtype=torch.complex64),)


@pytest.mark.parametrize("call", [in_place, with_numbers, several, complex_numbers])
def test_what_more_hangs_on_is_never_recalled(
    mode: FakeTensorMode, call: Callable[[FakeTensorMode], tuple[Any, tuple[Any, ...]]]
) -> None:
    recalled = Counted(mode)
    func, args = call(mode)
    for _ in range(3):
        recalled(func, args, {})
    assert recalled.recalled == 0


@pytest.mark.parametrize(
    ("case", "dtype"), [("sdxl-fp16", "float16"), ("sd15-fp16", "float16"), ("wan-bf16", "bfloat16,vae=float32")]
)
def test_in_a_rehearsal_everything_recalled_is_what_torch_would_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, dtype: str
) -> None:
    made, call, seen = Recalled.made, Recalled.__call__, []

    def noted(self: Recalled, result: Any, args: tuple[Any, ...]) -> FakeTensor:
        seen.append(made(self, result, args))
        return seen[-1]

    def held(self: Recalled, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = len(seen)
        given = call(self, func, args, kwargs)
        if len(seen) > before:
            asked = func(*args, **kwargs)
            assert facts(given)[: 7 if func.is_view else 6] == facts(asked)[: 7 if func.is_view else 6], func
        return given

    monkeypatch.setattr(Recalled, "made", noted)
    monkeypatch.setattr(Recalled, "__call__", held)
    (run,) = api.rehearse(saved.make(case, tmp_path / "model"), dtype=dtype).runs
    assert run.verdict == "runs", run.reason
    assert len(seen) > 200
