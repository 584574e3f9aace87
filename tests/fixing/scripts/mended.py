"""Scripts before and after a fix, for the tests of what a fix does to their text."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from dtypecheck import checks
from dtypecheck.engine.scripts import Folders, scan_scripts
from dtypecheck.files import Memory
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.propose.case import Wish
from dtypecheck.fixing.scripts import propose_scripts
from dtypecheck.fixplan import Refused, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.request import make

checks.load()


KNOWN = Knowledge()
REQUEST = make(None, None, None, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
HEAD = "import torch\nfrom diffusers import *\nfrom transformers import T5EncoderModel, CLIPTextModel\n"
XL = '"stabilityai/stable-diffusion-xl-base-1.0"'
VAE = '"madebyollin/sdxl-vae-fp16-fix"'
FLUX = 'pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)\n'
UGLY = (
    "\ufeff# -*- server -*-\r\n"
    "import torch  # th\r\n"
    "from diffusers import (\r\n\tAutoencoderKL,\r\n\tStableDiffusionXLPipeline,  # big\r\n)\r\n"
    "é = 'ü'; vae = AutoencoderKL.from_pretrained(\r\n"
    f'\t\t{VAE},   # the "VAE", (really)\r\n'
    "\t)\r\n"
    "if True:\r\n"
    f"\tpipe = StableDiffusionXLPipeline.from_pretrained( {XL}, vae = vae , torch_dtype = torch.half )\r\n"
    "\tprint( 'ß', pipe( 'a cat' ) ) ; x = 1"
)


def mend(
    files: Memory, dtype: str | None = None, wish: Wish | None = None, words: tuple[str, ...] = (), device: str | None = None
) -> tuple[list[Step], list[Refused], Memory]:
    """The steps, what is left, and the files after the steps."""
    request = make(dtype, None, device, ["diffusers==0.42.1", "transformers==5.23.0"], KNOWN)
    steps, left = propose_scripts(files, request, KNOWN, wish or Wish(), Folders(KNOWN, within=files), words)
    later = after(files, [edit for step in steps for edit in step.edits])
    changed = {step.place for step in steps}
    sizes = {name: size for name, size in files.sizes.items() if name not in changed}
    return steps, left, Memory({name: later.read(name) for name in files.contents}, "x", sizes)


def codes(files: Memory, device: str | None = None) -> list[str]:
    """What a scan finds in scripts."""
    request = replace(REQUEST, device=device)
    return [finding.code for finding in scan_scripts(files, request, KNOWN, Folders(KNOWN, within=files)).counted]


def fixed(text: str, **more: str) -> str:
    """A script after its fix; a second fix changes nothing."""
    steps, _, later = mend(Memory({"s.py": text.encode()}), **more)  # type: ignore[arg-type]
    assert steps
    assert not mend(later, **more)[0]  # type: ignore[arg-type]
    return later.contents["s.py"].decode()


def body(text: str) -> str:
    """The same, below the imports."""
    return fixed(HEAD + dedent(text).strip("\n") + "\n").removeprefix(HEAD)
