"""Calls are made from signatures: small, whole, and as the caller wants them."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms import inputs, shrunken
from dtypecheck.runs.phantoms import rows as phantom_rows
from dtypecheck.runs.phantoms.pictures import audio, picture, tensor

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

KNOWN = Knowledge()
CASES = Path(__file__).resolve().parents[2] / "fixtures" / "cases"


@pytest.fixture(scope="module")
def small() -> Any:
    return shrunken.build("StableDiffusionPipeline", KNOWN)


def test_what_is_given_wins(small: Any) -> None:
    made = inputs.for_call(small, {"height": 48, "prompt": "fog"}, KNOWN)
    assert (made["height"], made["width"], made["prompt"]) == (48, 32, "fog")


def test_a_picture_has_the_size_that_was_given() -> None:
    pipeline = shrunken.build("FluxImg2ImgPipeline", KNOWN)
    made = inputs.for_call(pipeline, {"height": 96, "width": 64}, KNOWN)
    assert made["image"].size == (64, 96)


def test_two_steps_are_taken_and_the_rest_is_left_at_its_default(small: Any) -> None:
    made = inputs.for_call(small, {}, KNOWN)
    assert made["num_inference_steps"] == 2
    assert "guidance_scale" not in made
    assert "ip_adapter_image" not in made


def test_what_a_row_leaves_out_is_not_given() -> None:
    pipeline = shrunken.build("HeliosPipeline", KNOWN)
    assert "image" in inspect.signature(pipeline.__call__).parameters
    assert "image" not in inputs.for_call(pipeline, {}, KNOWN)


def test_an_argument_that_no_row_can_make_is_named(small: Any) -> None:
    class Wants(type(small)):  # type: ignore[misc]
        def __call__(self, prompt: str, odour: float) -> None: ...

    pipeline = Wants(**shrunken.parts("StableDiffusionPipeline", KNOWN), requires_safety_checker=False)
    with pytest.raises(inputs.CannotCall, match="odour"):
        inputs.for_call(pipeline, {}, KNOWN)
    assert inputs.for_call(pipeline, {"odour": 1.0}, KNOWN, row="StableDiffusionPipeline")["odour"] == 1.0


@pytest.mark.parametrize(
    ("case", "kind", "parts", "side"),
    [
        ("sd15", "StableDiffusionPipeline", {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}, 128),
        ("sdxl", "StableDiffusionXLPipeline", {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}, 64),
        ("wan-t2v-1.3b", "WanPipeline", {"transformer": "WanTransformer3DModel", "vae": "AutoencoderKLWan"}, 32),
        (
            "cogvideox-2b",
            "CogVideoXPipeline",
            {"transformer": "CogVideoXTransformer3DModel", "vae": "AutoencoderKLCogVideoX"},
            32,
        ),
    ],
)
def test_a_full_size_model_is_called_with_a_small_picture(case: str, kind: str, parts: dict[str, str], side: int) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    made: dict[str, Any] = dict.fromkeys(shrunken.parts(kind, KNOWN))
    with FakeTensorMode():
        for name, model in parts.items():
            config = json.loads((CASES / case / name / "config.json").read_text("utf-8"))
            made[name] = getattr(diffusers, model).from_config(config)
    settings = shrunken.arguments(kind, KNOWN)
    call = inputs.for_call(getattr(diffusers, kind)(**made, **settings), {}, KNOWN)
    assert (call["height"], call["width"]) == (side, side)
    assert call.get("num_frames", 5) == 5


def test_what_a_user_has_to_call_first_is_called() -> None:
    pipeline = shrunken.build("AllegroPipeline", KNOWN)
    assert not pipeline.vae.use_tiling
    inputs.for_call(pipeline, {}, KNOWN)
    assert pipeline.vae.use_tiling


def test_words_are_looked_up_in_turn_and_multiplied() -> None:
    class Part:
        config = {"channels": 4, "sides": [8, 16]}  # noqa: RUF012 - a config as diffusers has it

    parts = {"unet": Part(), "height": 64}
    assert phantom_rows.filled("$unet.channels*3", parts) == 12
    assert phantom_rows.filled("$unet.sides.1", parts) == 16
    assert phantom_rows.filled("$height/16", parts) == 4
    assert phantom_rows.filled({"a": ["$height", "$none"]}, parts) == {"a": [64, None]}
    assert phantom_rows.filled("$vae.x|unet.channels", parts) == 4
    assert phantom_rows.filled("$vae.x|7", parts) == 7
    with pytest.raises(LookupError, match=r"vae\.x"):
        phantom_rows.filled("$vae.x", parts)


def test_pictures_vary_and_masks_are_half_white() -> None:
    low, high = picture(32, 32).convert("L").getextrema()
    assert high - low > 100
    mask = picture(32, 16, "L")
    assert (mask.size, mask.getpixel((0, 0)), mask.getpixel((31, 0))) == ((32, 16), 255, 0)
    assert picture(32, 32, shift=1).tobytes() != picture(32, 32).tobytes()


def test_sounds_and_tensors_have_the_shape_asked_for() -> None:
    assert audio(100, channels=2).shape == (2, 100)
    assert tensor([1, 2, 3], dtype="int64", fill=5).tolist() == [[[5, 5, 5], [5, 5, 5]]]
    assert tensor([2, 2], kind="np").shape == (2, 2)
