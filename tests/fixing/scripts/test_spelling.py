"""What a fix puts in is spelled as the script spells it, and means there what it should."""

from __future__ import annotations

import pytest

from dtypecheck.files import Memory
from tests.fixing.scripts.mended import HEAD, VAE, XL, body, fixed, mend

SPELLINGS = {
    "an alias of torch": ("import torch as th\n", "th.float16", "th.float16"),
    "imported by name": ("from torch import float16\n", "float16", "float16"),
    "imported under another name": ("from torch import float16 as f16\n", "f16", "f16"),
    "half": ("import torch\n", "torch.half", "torch.half"),
    "a name": ("import torch\ndtype = torch.float16\n", "dtype", "dtype"),
    "a name that hangs on a condition": (
        "import torch\ndtype = torch.float16 if torch.cuda.is_available() else torch.float32\n",
        "dtype",
        "dtype",
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("keyword", ["torch_dtype", "dtype"])
def test_a_dtype_is_spelled_as_the_script_spells_it(name: str, keyword: str) -> None:
    head, word, spelled = SPELLINGS[name]
    text = f"from diffusers import *\n{head}vae = AutoencoderKL.from_pretrained({VAE})\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, {keyword}={word})\npipe("a")\n'
    assert fixed(text) == text.replace(f"{VAE})", f"{VAE}, {keyword}={spelled})")


def test_a_name_that_is_bound_later_is_not_used_before() -> None:
    text = f"vae = AutoencoderKL.from_pretrained({VAE})\ndtype = torch.float16\n"
    text += f'pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=dtype)\npipe("a")\n'
    assert body(text) == text.replace(f"{VAE})", f"{VAE}, torch_dtype=torch.float16)")


def test_torch_is_imported_where_it_is_not() -> None:
    text = '"""A server."""\nfrom __future__ import annotations\n\nimport os\nfrom diffusers import DiffusionPipeline\n'
    text += f'pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype="float16")\n'
    assert fixed(text) == text.replace("import os", "import torch\nimport os").replace('"float16"', "torch.float16")


def test_a_name_of_a_dtype_is_looked_up_in_torch() -> None:
    text = 'import torch\nfrom diffusers import DiffusionPipeline\nword = "float16"\n'
    text += f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype=word)\n"
    assert fixed(text) == text.replace("torch_dtype=word", "torch_dtype=getattr(torch, word)")


def test_a_dtype_that_hangs_on_a_condition_is_not_made_one_that_does_not() -> None:
    text = HEAD + "dtype = torch.float16 if torch.cuda.is_available() else torch.float32\n"
    prior = (
        'prior = StableCascadePriorPipeline.from_pretrained("stabilityai/stable-cascade-prior", torch_dtype=dtype)\nprior("a")\n'
    )
    steps, left, _ = mend(Memory({"s.py": (text + prior).encode()}))
    assert not steps
    assert "condition" in left[0].why
    encoder = 'encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl")\nencoder.to("cuda", dtype=dtype)\n'
    then = encoder.replace('xxl")', 'xxl", torch_dtype=dtype)').replace(", dtype=dtype)\n", ")\n", 1)
    assert fixed(text + encoder) == text + then
