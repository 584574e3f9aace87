"""A real file of safetensors that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.read.weights import DTYPES

from .headers import METADATA, ODD_KEYS


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of safetensors with every dtype that torch can save, odd keys, scalars and empty tensors."""
    torch, save_file = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").save_file
    tensors = {}
    for dtype in DTYPES.values():
        if not dtype.torch:
            continue
        kind = getattr(torch, dtype.torch)
        packed = dtype.name == "F4"
        for name, shape in (("matrix", (2, 4)), ("empty", (0, 3)), *(() if packed else (("scalar", ()),))):
            made = torch.zeros(shape, dtype=torch.uint8).view(kind) if packed else torch.zeros(shape).to(kind)
            tensors[f"{dtype.name}.{name}"] = made
    tensors |= {key: torch.zeros(number % 3, 2) for number, key in enumerate(ODD_KEYS)}
    path = tmp_path_factory.mktemp("real") / "m"
    save_file(tensors, path, METADATA)
    return path
