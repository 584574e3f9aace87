"""A notebook is edited inside of its cells, in the JSON that it is."""

from __future__ import annotations

import json

import pytest

from dtypecheck.files import Memory
from tests.fixing.scripts.mended import VAE, XL, codes, mend

CELL = [
    '# é \\u00e9 "quoted"\n',
    "!pip install diffusers\n",
    "import torch\n",
    "from diffusers import FluxPipeline\n",
    'pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)\n',
    "pipe.vae.half()\n",
    'pipe("a cat 😀")',
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("as_text", [True, False], ids=["one text", "a list"])
def test_a_notebook_is_edited_inside_its_cells(ascii_only: bool, as_text: bool) -> None:
    fill = {"cell_type": "code", "metadata": {}, "outputs": [{"data": {"image/png": "x" * 999}}], "source": "'é😀'; 1"}
    cell = {**fill, "source": "".join(CELL) if as_text else CELL}
    data = {"cells": [{"cell_type": "markdown", "source": ["# 1\n"]}, fill, cell, fill], "nbformat": 4}
    text = json.dumps(data, indent=3, ensure_ascii=ascii_only) + "\n\n"
    steps, left, later = mend(Memory({"n.ipynb": text.encode()}))
    assert [step.change for step in steps] == ["cell 3 line 6: .half() left out"]
    assert not left
    assert later.contents["n.ipynb"].decode() == text.replace("pipe.vae.half()\\n", "")
    assert codes(later) == []


def test_an_argument_is_added_in_a_notebook() -> None:
    lines = ["import torch\n", "from diffusers import *\n", "vae = AutoencoderKL.from_pretrained(\n", f"    {VAE},\n", ")\n"]
    lines += [f"pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)\n", 'pipe("a 😀")']
    text = json.dumps({"cells": [{"cell_type": "code", "source": lines}]})
    _, _, later = mend(Memory({"n.ipynb": text.encode()}))
    new = json.loads(later.contents["n.ipynb"])["cells"][0]["source"]
    assert "".join(new) == "".join(lines).replace(f"    {VAE},\n", f"    {VAE},\n    torch_dtype=torch.float16,\n")
