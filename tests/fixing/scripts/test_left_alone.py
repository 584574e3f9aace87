"""What a fix does not touch: scripts that it cannot read, and findings that somebody gave a reason for."""

from __future__ import annotations

import pytest

from dtypecheck.files import Memory
from tests.fixing.scripts.mended import HEAD, VAE, XL, mend


def test_a_comment_with_a_reason_is_respected() -> None:
    text = f"{HEAD}pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')  # dtypecheck: ignore[DT202] I know\n"
    steps, left, _ = mend(Memory({"s.py": text.encode()}))
    assert not steps
    assert not left


def test_what_comes_through_stars_is_not_named_twice() -> None:
    text = f"{HEAD}vae = AutoencoderKL.from_pretrained({VAE}, **{{'use_safetensors': True}})\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\npipe("a")\n'
    steps, left, _ = mend(Memory({"s.py": text.encode()}))
    assert not steps
    assert "**" in left[0].why


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"# -*- coding: latin-1 -*-\n# \xe9\n", "UTF-8"),
        ("# -*- coding: latin-1 -*-\n# é\n".encode(), "UTF-8"),
    ],
    ids=["other bytes", "bytes that UTF-8 has too"],
)
def test_a_script_in_another_encoding_is_left_alone(head: bytes, why: str) -> None:
    text = head + (HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')\n").encode()
    steps, left, _ = mend(Memory({"s.py": text}))
    assert not steps
    assert why in left[0].why


def test_a_script_that_does_not_parse_is_left_alone() -> None:
    text = HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16'\n"
    assert mend(Memory({"s.py": text.encode()}))[0] == []
