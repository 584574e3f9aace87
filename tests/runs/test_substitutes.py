"""Stand-ins fit the models beside them, tiny or full-size, and what has none is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge
from dtypecheck.runs.phantoms.pictures import picture
from dtypecheck.runs.phantoms.substitutes import CannotSubstitute, substitute

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

KNOWN = Knowledge()


def beside(name: str, config: Any) -> dict[str, object]:
    """A component whose config is all that is looked at."""
    return {name: SimpleNamespace(config=config)}


def clip() -> Any:
    return transformers.CLIPTextConfig()


def qwen() -> Any:
    return transformers.Qwen2_5_VLConfig(text_config={}, vision_config={})


def test_ids_stay_inside_the_vocabulary_of_the_text_encoder() -> None:
    tiny = transformers.CLIPTextConfig(vocab_size=30, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    tokenizer = substitute("tokenizer", "CLIPTokenizer", beside("text_encoder", tiny), KNOWN)
    ids = tokenizer("a photo of something nobody has a word for", padding="max_length").input_ids
    assert max(ids) < 30
    assert (ids[0], ids[-1]) == (0, 2)


def test_a_full_size_clip_gets_its_length_and_its_ends() -> None:
    tokenizer = substitute("tokenizer", "CLIPTokenizer", beside("text_encoder", clip()), KNOWN)
    ids = tokenizer("fog", padding="max_length", truncation=True).input_ids
    assert len(ids) == 77
    assert ids[0] == clip().bos_token_id
    assert set(ids[2:]) == {clip().eos_token_id}


def test_each_tokenizer_looks_at_its_own_text_encoder() -> None:
    parts = beside("text_encoder", clip()) | beside("text_encoder_2", transformers.T5Config(vocab_size=99))
    tokenizer = substitute("tokenizer_2", "T5TokenizerFast", parts, KNOWN)
    assert tokenizer("fog").input_ids[-1] == transformers.T5Config().eos_token_id


def test_a_tokenizer_of_a_class_that_nobody_knows_is_stood_in_for() -> None:
    tokenizer = substitute("tokenizer", "SomeVendorsTokenizer", beside("text_encoder", clip()), KNOWN)
    assert len(tokenizer("two words").input_ids) == 3


def test_a_processor_of_a_vision_language_model_puts_in_as_many_marks_as_the_picture_has_patches() -> None:
    processor = substitute("processor", "Qwen2VLProcessor", beside("text_encoder", qwen()), KNOWN)
    told = [{"role": "user", "content": [{"type": "image", "image": picture(56, 56)}, {"type": "text", "text": "fog"}]}]
    text = processor.apply_chat_template(told, tokenize=False, add_generation_prompt=True)
    made = processor(text=[text], images=[picture(56, 56)], return_tensors="pt")
    patches = int(made["image_grid_thw"].prod())
    marks = int((made["input_ids"] == qwen().image_token_id).sum())
    assert patches == 16
    assert marks == patches // 4


def test_an_image_processor_cuts_to_the_size_of_the_vision_model() -> None:
    config = transformers.CLIPVisionConfig(image_size=40)
    made = substitute("feature_extractor", "CLIPImageProcessor", beside("image_encoder", config), KNOWN)
    assert made(picture(64, 64), return_tensors="pt").pixel_values.shape == (1, 3, 40, 40)


def test_a_safety_checker_is_left_out() -> None:
    assert substitute("safety_checker", "StableDiffusionSafetyChecker", {}, KNOWN) is None


def test_what_has_no_stand_in_is_named() -> None:
    with pytest.raises(CannotSubstitute, match="compass"):
        substitute("compass", "Compass", {}, KNOWN)
