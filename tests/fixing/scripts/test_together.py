"""Several findings, several edits: one plan that mends them all, and what it brings with it."""

from __future__ import annotations

from textwrap import dedent

from dtypecheck.edits import Splice
from dtypecheck.files import Memory
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.propose.case import Wish
from dtypecheck.fixing.scripts.check import scripts_checked
from dtypecheck.fixplan import FixPlan, Step
from tests.fixing.scripts.mended import HEAD, KNOWN, REQUEST, VAE, XL, body, codes, mend


def test_several_findings_of_one_script_are_one_plan() -> None:
    text = f"""
    vae = AutoencoderKL.from_pretrained({VAE})  # 1
    net = ControlNetModel.from_pretrained("x")  # 2
    pipe = StableDiffusionXLControlNetPipeline.from_pretrained({XL}, vae=vae, controlnet=net, torch_dtype=torch.float16)
    pipe("a cat", image=image)
    scores = torch.zeros(8, 8).half()
    scores.masked_fill_(mask, -1e9)  # 3
    other = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    other.vae.half()
    other("a cat")
    """
    assert body(text) == dedent(f"""\
    vae = AutoencoderKL.from_pretrained({VAE}, torch_dtype=torch.float16)  # 1
    net = ControlNetModel.from_pretrained("x", torch_dtype=torch.float16)  # 2
    pipe = StableDiffusionXLControlNetPipeline.from_pretrained({XL}, vae=vae, controlnet=net, torch_dtype=torch.float16)
    pipe("a cat", image=image)
    scores = torch.zeros(8, 8).half()
    scores.masked_fill_(mask, torch.finfo(scores.dtype).min)  # 3
    other = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
    other("a cat")
    """)


def test_what_a_fix_brings_is_mended_with_it() -> None:
    text = f"""\
    vae = AutoencoderKL.from_pretrained({VAE})
    pipe = StableDiffusionXLPipeline.from_pretrained({XL}, vae=vae, torch_dtype=torch.float16)
    pipe("a cat")
    pipe.vae.encode(torch.zeros(1, 3, 8, 8))
    """
    steps, left, later = mend(Memory({"s.py": (HEAD + dedent(text)).encode()}))
    assert [step.codes for step in steps] == [("DT201",)]
    assert not left
    assert codes(later) == []
    then = later.contents["s.py"].decode()
    assert f"{VAE}, torch_dtype=torch.float16)" in then
    assert "torch.zeros(1, 3, 8, 8).to(pipe.vae.dtype))" in then


def test_a_vae_of_the_swaps_is_put_in_where_it_is_asked_for() -> None:
    vae = 'vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)\n'
    text = HEAD + vae + "image = vae.decode(latents).sample\n"
    _, _, later = mend(Memory({"s.py": text.encode()}), wish=Wish(swap="sdxl_fp16_fix"))
    assert later.contents["s.py"].decode() == text.replace("stabilityai/sdxl-vae", "madebyollin/sdxl-vae-fp16-fix")
    assert codes(later) == []


def test_a_plan_that_answers_nothing_does_not_pass_the_check() -> None:
    text = HEAD + f"pipe = DiffusionPipeline.from_pretrained({XL}, torch_dtype='float16')\n"
    files = Memory({"s.py": text.encode()})
    edit = Splice("s.py", 0, 6, "import", "import")
    plan = FixPlan("s.py", (Step("s.py", "nothing", (edit,), codes=("DT202",)),))
    reasons, _ = scripts_checked(files, after(files, plan.edits), plan, REQUEST, KNOWN)
    assert reasons == ["DT202 is still there in s.py"]
    broken = Memory({"s.py": text.encode() + b"("})
    assert "parse" in scripts_checked(files, broken, plan, REQUEST, KNOWN)[0][0]
