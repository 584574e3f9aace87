"""A Hub on loopback with small repositories, and an environment in which nothing else is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.hub import FakeHub, served
from tests.test_cli import lay

INDEX = (
    '{"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], '
    '"vae": ["diffusers", "AutoencoderKL"]}'
)
SMALL = f"""
model_index.json: {INDEX}
unet/config.json: {{"_class_name": "UNet2DConditionModel"}}
unet/diffusion_pytorch_model.safetensors: conv_in.weight F32 64x64x3x3; mid.weight F16 512x512x3x3
vae/config.json: {{"_class_name": "AutoencoderKL"}}
vae/diffusion_pytorch_model.safetensors: post_quant_conv.weight F32 4x4
"""
"""A pipeline whose unet has a finding: it is stored in two dtypes."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache and no token of whoever runs the tests, no proxy, and no waiting between tries."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("dtypecheck.remote.http.WAITS", (0.0, 0.0, 0.0))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The small pipeline as a folder."""
    (tmp_path / "small").mkdir()
    return lay(tmp_path / "small", SMALL)


@pytest.fixture
def hub(small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub with the small pipeline as our/small."""
    with served({"our/small": small}) as fake:
        monkeypatch.setenv("HF_ENDPOINT", fake.hub)
        yield fake
