"""What becomes of the things of a script: parameters in optimizers, adapters, copies, pictures, general classes."""

from __future__ import annotations

import pytest

from dtypecheck.dtypes import F16, F32, DType
from dtypecheck.subjects.scripts import Script, Thing
from tests.read.test_scripts import read


def targets(script: Script, means: str) -> list[Thing | None]:
    return [call.target for call in script.calls if call.means == means]


def test_parameters_are_followed_into_an_optimizer() -> None:
    script = read("""
    import itertools
    unet, vae = AutoencoderKL.from_pretrained("a", torch_dtype=f16), AutoencoderKL.from_pretrained("b")
    params = list(filter(lambda p: p.requires_grad, unet.parameters()))
    one = torch.optim.AdamW([{"params": params}, {"params": [p for n, p in vae.named_parameters() if "lora" in n]}])
    two = torch.optim.AdamW(itertools.chain(unet.parameters(), vae.parameters()))
    unet.decode(1)
    """)
    found = []
    for call in script.calls:
        if call.means == "optimizer" and call.result is not None:
            given = call.result.fields["params"].single
            models = [item.single.part("of") for item in given.items]
            found.append([model.dtype.dtype for model in models if model])
    assert found == [[F16, F32], [F16, F32]]
    assert "trained" in next(thing for thing in targets(script, "decode") if thing).flags


def test_adapters_take_the_dtype_of_the_model_they_are_added_to_and_a_cast_takes_them_along() -> None:
    script = read("""
    from peft import get_peft_model
    one = AutoencoderKL.from_pretrained("a", torch_dtype=f16)
    one.add_adapter(config)
    one.decode(1)
    two = get_peft_model(AutoencoderKL.from_pretrained("b"), config)
    two.decode(1)
    two.half()
    two.decode(1)
    """)
    assert [thing and "adapted" in thing.flags for thing in targets(script, "decode")] == [False, True, False]


def test_a_copy_of_a_model_is_another_model() -> None:
    script = read("""
    import copy
    one = AutoencoderKL.from_pretrained("a")
    copy.deepcopy(one).half()
    one.decode(1)
    """)
    assert [thing and thing.dtype.dtype for thing in targets(script, "decode")] == [F32]


def test_a_call_knows_the_outermost_loop_that_it_is_made_in() -> None:
    script = read("""
    one = AutoencoderKL.from_pretrained("a")
    def run():
        one.decode(1)
    for a in things:
        while b():
            run()
    one.decode(2)
    """)
    assert [call.loop for call in script.calls if call.means == "decode"] == [10, 0]


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        ("torch.from_numpy(np.array(load_image('x')).astype(np.float32) / 255)", F32),
        ("torch.from_numpy(np.asarray(x, dtype=np.float16))", F16),
        ("torch.from_numpy(np.array(load_image('x')))", None),
        ("transforms.ToTensor()(picture)", F32),
        ("transforms.Compose([transforms.Resize(8), transforms.ToTensor()])(picture)[None]", F32),
        ("transforms.Compose([transforms.ToTensor(), mine])(picture)", None),
        ("scheduler.scale_model_input(torch.zeros(2).half(), 1)", F16),
        ("scheduler.add_noise(torch.zeros(2).half(), torch.zeros(2), 1)", F32),
        ("torch.zeros(2).half() * scheduler.init_noise_sigma", F16),
        ("torch.zeros(2).half().sum(dtype=torch.float32)", F32),
        ("torch.zeros(2).half().norm()", F16),
        ("torch.cat([torch.zeros(2).half()] * 2)", F16),
        ("torch.cat([torch.zeros(2).half()] + [torch.zeros(2)])", F32),
    ],
)
def test_a_tensor_gets_its_dtype_from_what_it_is_made_of(expression: str, dtype: DType | None) -> None:
    script = read(f"""
    import numpy as np
    from diffusers import DDIMScheduler
    from diffusers.utils import load_image
    from torchvision import transforms
    scheduler = DDIMScheduler()
    made = {expression}
    AutoencoderKL.from_pretrained("x").decode(made)
    """)
    given = next(call for call in script.calls if call.means == "decode").arguments[0].value.single
    assert (given.dtype.dtype if isinstance(given, Thing) else None) is dtype


@pytest.mark.parametrize(
    ("klass", "gives"),
    [
        ("AutoPipelineForText2Image", "StableDiffusionXLPipeline"),
        ("AutoPipelineForImage2Image", "StableDiffusionXLImg2ImgPipeline"),
        ("AutoPipelineForInpainting", "StableDiffusionXLInpaintPipeline"),
        ("DiffusionPipeline", "StableDiffusionXLPipeline"),
    ],
)
def test_a_general_class_gives_the_pipeline_for_its_task(klass: str, gives: str) -> None:
    name = "'stabilityai/stable-diffusion-xl-base-1.0'"
    script = read(f"from diffusers import {klass}\npipe = {klass}.from_pretrained({name})\nn = {klass}.from_pretrained('x')\n")
    assert [call.result and call.result.klass for call in script.calls] == [gives, None]
