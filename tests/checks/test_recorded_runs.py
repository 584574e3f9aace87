"""The recorded runs in pipelines.toml hold: tiny pipelines of the classes, run for real in the same dtypes, do the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dtypecheck.knowledge import Knowledge, Row

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from tests.loading import tiny  # noqa: E402

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
IDS = torch.tensor([[1, 5, 7, 2]])
DENOISERS = ("unet", "transformer")


def of_sdxl(pipe: Any) -> dict[str, Any]:
    first, second = (encoder(IDS, output_hidden_states=True) for encoder in (pipe.text_encoder, pipe.text_encoder_2))
    prompt = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    return {"prompt_embeds": prompt, "pooled_prompt_embeds": second[0], "guidance_scale": 1.0}


def of_sd15(pipe: Any) -> dict[str, Any]:
    return {"prompt_embeds": pipe.text_encoder(IDS)[0], "guidance_scale": 1.0}


def of_sd3(pipe: Any) -> dict[str, Any]:
    pooled = torch.cat([encoder(IDS)[0] for encoder in (pipe.text_encoder, pipe.text_encoder_2)], dim=-1)
    return {"prompt_embeds": pipe.text_encoder_3(IDS)[0], "pooled_prompt_embeds": pooled, "guidance_scale": 1.0}


def of_flux(pipe: Any) -> dict[str, Any]:
    return {"prompt_embeds": pipe.text_encoder_2(IDS)[0], "pooled_prompt_embeds": pipe.text_encoder(IDS).pooler_output}


def of_pixart(pipe: Any) -> dict[str, Any]:
    embeds = {"prompt_embeds": pipe.text_encoder(IDS)[0], "prompt_attention_mask": torch.ones_like(IDS)}
    return {**embeds, "guidance_scale": 1.0, "use_resolution_binning": False, "prompt": None, "negative_prompt": None}


def of_wan(pipe: Any) -> dict[str, Any]:
    return {"prompt_embeds": pipe.text_encoder(IDS)[0], "guidance_scale": 1.0, "num_frames": 1, "prompt": None}


INPUTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "sdxl": of_sdxl,
    "sd15": of_sd15,
    "sd3": of_sd3,
    "flux": of_flux,
    "pixart": of_pixart,
    "wan": of_wan,
}
CLASSES = {
    "sdxl": "StableDiffusionXLPipeline",
    "sd15": "StableDiffusionPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "flux": "FluxPipeline",
    "pixart": "PixArtSigmaPipeline",
    "wan": "WanPipeline",
}


def recorded(name: str) -> list[tuple[str, Row]]:
    row = Knowledge().row("pipelines", CLASSES[name])
    rows = [("runs", run) for run in row["runs"]] + [("crashes", crash) for crash in row["crashes"]]
    return [(kind, plan) for kind, plan in rows if plan.get("upcast", True) and not {"controlnet", "other"} & plan.keys()]


CASES = [(name, kind, plan) for name in INPUTS for kind, plan in recorded(name)]


def outcome(name: str, plan: Row) -> tuple[str, str, str]:
    """What a real run does: "runs" or "crashes", the component it crashes in, and PyTorch's text."""
    torch.manual_seed(0)
    pipe = tiny.PIPELINES[name]()
    if name in ("sd3", "flux"):
        pipe.vae.register_to_config(shift_factor=0.06)
    for part, module in tiny.modules(pipe).items():
        role = "vae" if part == "vae" else "denoiser" if part in DENOISERS else "te"
        module.to(DTYPES[plan[role]]).eval()
    pipe.set_progress_bar_config(disable=True)
    inside: list[str] = []
    for part, module in tiny.modules(pipe).items():
        for path, inner in module.named_modules(prefix=part):
            inner.register_forward_pre_hook(lambda *_, path=path: inside.append(path))
            inner.register_forward_hook(lambda *_: inside.pop() and None)
    with torch.no_grad():
        inputs = INPUTS[name](pipe)
        inside.clear()
        try:
            pipe(**inputs, num_inference_steps=1, height=32, width=32, output_type="np")
        except (RuntimeError, TypeError) as fault:
            return "crashes", inside[-1].partition(".")[0] if inside else "", str(fault)
    return "runs", "", ""


@pytest.mark.parametrize(
    ("name", "kind", "plan"), CASES, ids=["-".join((n, *(str(p[r]) for r in ("te", "denoiser", "vae")))) for n, _, p in CASES]
)
def test_a_recorded_run_does_the_same_today(name: str, kind: str, plan: Row) -> None:
    happened, component, says = outcome(name, plan)
    assert happened == kind, says
    if kind == "crashes":
        assert component == plan["at"].partition(".")[0]
        assert says.splitlines()[0] == plan["says"]
