"""How long a scan of 1,000 scripts of 300 lines takes on one core, next to `ruff check --select F` and TorchFix on the same.

    python tests/benchmarks/scan_scripts.py [FILES]          TorchFix takes ten minutes for 1,000: give 100

Half of the files serve or train with models of diffusers, in about 25 lines each among 300; the others define modules, or have
nothing to do with models. What is not installed is skipped: ruff comes with the `dev` extra, TorchFix by `pip install torchfix`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which

LINES = 300
SERVE = """
class Server{n}:
    def __init__(self, model="stabilityai/stable-diffusion-xl-base-1.0", device="cuda"):
        self.device = device
        self.dtype = torch.float16 if torch.cuda.is_available() else torch.float32
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=self.dtype)
        self.pipe = StableDiffusionXLPipeline.from_pretrained(model, vae=vae, torch_dtype=self.dtype, variant="fp16")
        self.pipe.to(device)
        self.pipe.enable_vae_tiling()

    def generate(self, prompt, steps={n}, seed=None):
        generator = torch.Generator(self.device).manual_seed(seed if seed is not None else {n})
        latents = torch.randn((1, 4, 128, 128), generator=generator, device=self.device, dtype=self.dtype)
        for attempt in range(3):
            try:
                images = self.pipe(prompt, num_inference_steps=steps, latents=latents, generator=generator).images
            except RuntimeError as fault:
                logger.warning("attempt %d of %s: %s", attempt, prompt, fault)
                continue
            return [image.resize((512, 512)) for image in images if image is not None]
        return []
"""
TRAIN = """
def train_{n}(args):
    accelerator = Accelerator(mixed_precision=args.mixed_precision, gradient_accumulation_steps={n} + 1)
    weight_dtype = torch.float32
    if accelerator.mixed_precision == "fp16":
        weight_dtype = torch.float16
    elif accelerator.mixed_precision == "bf16":
        weight_dtype = torch.bfloat16
    vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae")
    unet = UNet2DConditionModel.from_pretrained(args.model, subfolder="unet")
    vae.to(accelerator.device, dtype=weight_dtype)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=args.lr)
    unet, optimizer = accelerator.prepare(unet, optimizer)
    for epoch in range(args.epochs):
        for step, batch in enumerate(loader(args, {n})):
            with accelerator.accumulate(unet):
                latents = vae.encode(batch["pixels"].to(dtype=weight_dtype)).latent_dist.sample() * 0.18215
                noise = torch.randn_like(latents)
                prediction = unet(latents + noise, step, batch["embeds"]).sample
                loss = F.mse_loss(prediction.float(), noise.float(), reduction="mean")
                accelerator.backward(loss)
                optimizer.step()
"""
MODEL = """
class Block{n}(nn.Module):
    def __init__(self, width={n} + 8, heads=8):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.attend = nn.MultiheadAttention(width, heads)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, hidden, mask=None):
        residual = hidden
        hidden = self.norm(hidden)
        if mask is not None and mask.dtype != hidden.dtype:
            mask = mask.to(hidden.dtype)
        hidden, _ = self.attend(hidden, hidden, hidden, attn_mask=mask)
        hidden = residual + hidden
        return hidden + self.down(F.gelu(self.up(hidden)))
"""
OTHER = """
def summary_{n}(rows, key="name", limit={n}):
    found = {{}}
    for row in rows:
        name = row.get(key, "").strip().lower()
        if not name or name in found:
            continue
        found[name] = {{"count": len(row), "first": row.get("first"), "last": row.get("last", limit)}}
    ordered = sorted(found.items(), key=lambda item: (-item[1]["count"], item[0]))
    return "\\n".join(f"{{name}}: {{entry['count']}}" for name, entry in ordered[:limit])
"""
HEADS = {
    SERVE: "import logging\n\nimport torch\nfrom diffusers import AutoencoderKL, StableDiffusionXLPipeline\n\n"
    "logger = logging.getLogger(__name__)\n",
    TRAIN: "import torch\nimport torch.nn.functional as F\nfrom accelerate import Accelerator\n"
    "from diffusers import AutoencoderKL, UNet2DConditionModel\n\nfrom .data import loader\n",
    MODEL: "import torch.nn.functional as F\nfrom torch import nn\n",
    OTHER: "",
}


def written(folder: Path, files: int) -> int:
    """Write the files; gives their lines."""
    lines = 0
    for number in range(files):
        part = list(HEADS)[number % len(HEADS)]
        text = HEADS[part]
        block = 0
        while text.count("\n") < LINES:
            filler = (MODEL, OTHER)[block % 2] if part is not OTHER else OTHER
            text += "\n" + (part if block == 0 else filler).format(n=number * 100 + block)
            block += 1
        (folder / f"file_{number:04}.py").write_text(text)
        lines += text.count("\n")
    return lines


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of one core that a command took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=alone, timeout=1800)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def installed(name: str) -> str | None:
    """A program on the PATH, or beside this Python."""
    beside = Path(sys.executable).with_name(name)
    return which(name) or (str(beside) if beside.exists() else None)


def commands(folder: str) -> dict[str, list[str]]:
    """What is measured, by what it is called; empty for what is not installed."""
    ruff, torchfix = installed("ruff"), installed("torchfix")
    return {
        "dtypecheck scan": [sys.executable, "-m", "dtypecheck", "scan", folder],
        "ruff check --select F --no-cache": [ruff, "check", "--select", "F", "--no-cache", "--isolated", folder] if ruff else [],
        "torchfix -j 1": [torchfix, "-j", "1", folder] if torchfix else [],
    }


def main() -> None:
    """Print the table."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as name:
        lines = written(Path(name), files)
        print(f"{files} files, {lines:,} lines")
        print(f"{'':<34}{'seconds':>8}  {'of the core':>11}")
        for label, command in commands(name).items():
            if not command:
                print(f"{label:<34}{'not installed: skipped':>21}")
                continue
            seconds, core = timed(command)
            print(f"{label:<34}{seconds:>8.2f}  {core:>11.2f}", flush=True)


if __name__ == "__main__":
    main()
