"""What watching costs: CPU time of a model's call while it is watched, over that of the same call alone. No test times anything.

    OMP_NUM_THREADS=2 python tests/benchmarks/watch.py [unet32 unet16 xl32 xl16 vae] [--rounds N] [--only WAY] [--inference-mode]

Two UNet2DConditionModels of 13 M parameters at 64x64 latents, in float32 and bfloat16, and the decoder of a full-size SD VAE at
256x256 pixels. In every round each way of watching is entered, called once without the clock, and called again with it; the
order turns from round to round. A figure is the median over the rounds of the ratio to the plain call of the same round.
The calls are made under no_grad, as diffusers makes them. In inference mode, where torch does not count changes in place, every
tensor is reduced as often as it is handed on.
Beside our three levels stand the tools that people use for this.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that waits for the other one must not count as work

import torch  # noqa: E402
from torch import nn  # noqa: E402

Mode = type[torch.no_grad] | type[torch.inference_mode]
Case = tuple[nn.Module, Callable[[], Any]]
BARS = {"component": 1.02, "module": 1.10, "op": 2.0}


SD = {"block_out_channels": (48, 96, 144, 144)}
"""Stable Diffusion's four levels, attention in three of them, narrower: 13 M parameters, 709 modules, about 1.4 ms for each."""
XL = {
    "block_out_channels": (64, 128, 160),
    "attention_head_dim": (2, 4, 5),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
"""SDXL's three levels, narrower: 13 M parameters, 509 modules, about 0.5 ms for each: little work to hide behind."""


def unet(config: dict[str, Any], dtype: torch.dtype) -> Case:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    net = UNet2DConditionModel(cross_attention_dim=256, norm_num_groups=16, **config)
    net = net.to(dtype).eval().requires_grad_(False)
    latents, text = torch.randn(1, 4, 64, 64, dtype=dtype), torch.randn(1, 77, 256, dtype=dtype)
    return net, lambda: net(latents, 500, encoder_hidden_states=text)


def vae(dtype: torch.dtype) -> Case:
    """Stable Diffusion's own: 84 M parameters."""
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    net = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    net = net.to(dtype).eval().requires_grad_(False)
    latents = torch.randn(1, 4, 32, 32, dtype=dtype)
    return net, lambda: net.decode(latents)


CASES: dict[str, tuple[Callable[[torch.dtype], Case], torch.dtype, int]] = {
    "unet32": (partial(unet, SD), torch.float32, 1),
    "unet16": (partial(unet, SD), torch.bfloat16, 1),
    "xl32": (partial(unet, XL), torch.float32, 2),
    "xl16": (partial(unet, XL), torch.bfloat16, 2),
    "vae": (vae, torch.float32, 1),
}
"""What makes it, its dtype, and how many calls are timed together."""


def ours(level: str) -> Callable[[nn.Module], AbstractContextManager[Any]]:
    """`watch` at one of its levels."""

    def enter(net: nn.Module) -> AbstractContextManager[Any]:
        from dtypecheck import watch

        return watch(net, level=level)

    return enter


@contextlib.contextmanager
def plain_hooks(net: nn.Module) -> Iterator[None]:
    """What everybody writes first: is every output finite, asked at once."""

    def look(module: nn.Module, given: Any, made: Any) -> None:
        for tensor in made if isinstance(made, tuple) else (made,):
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise FloatingPointError(type(module).__name__)

    hooks = [module.register_forward_hook(look) for module in net.modules()]
    yield
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def debug_underflow(net: nn.Module) -> Iterator[None]:
    """transformers' tool; it offers no way to take its hooks off."""
    from transformers.debug_utils import DebugUnderflowOverflow

    before = {module: dict(module._forward_hooks) for module in net.modules()}
    DebugUnderflowOverflow(net)
    yield
    for module, hooks in before.items():
        module._forward_hooks.clear()
        module._forward_hooks.update(hooks)


def debug_mode(net: nn.Module) -> AbstractContextManager[Any]:
    """torch's tool, which records every operator and no numbers."""
    from torch.utils._debug_mode import DebugMode

    return DebugMode(record_nn_module=True)


def alone(net: nn.Module) -> AbstractContextManager[Any]:
    return contextlib.nullcontext()


WAYS: dict[str, Callable[[nn.Module], AbstractContextManager[Any]]] = {
    "plain": alone,
    "component": ours("component"),
    "module": ours("module"),
    "op": ours("op"),
    "isfinite().all() hooks": plain_hooks,
    "DebugUnderflowOverflow": debug_underflow,
    "DebugMode": debug_mode,
    "plain again": alone,
}
"""`plain again` shows how far two equal columns are apart: the noise of the machine."""


def timed(case: Case, way: str, calls: int, mode: Mode) -> float:
    """CPU seconds of one call, of all threads, once things are warm."""
    net, call = case
    with mode(), WAYS[way](net):
        call()
        start = time.process_time()
        for _ in range(calls):
            call()
        return (time.process_time() - start) / calls


def measured(name: str, rounds: int, ways: list[str], mode: Mode) -> dict[str, list[float]]:
    """Seconds by way and round. Every round begins with another way."""
    make, dtype, calls = CASES[name]
    case = make(dtype)
    figures: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        first = turn % len(ways)
        for way in ways[first:] + ways[:first]:
            figures[way].append(timed(case, way, calls, mode))
    return figures


def report(name: str, figures: dict[str, list[float]]) -> None:
    print(f"\n{name}: {statistics.median(figures['plain']):.3f} s of CPU time a call, {len(figures['plain'])} rounds")
    for way, seconds in figures.items():
        ratios = sorted(one / plain for one, plain in zip(seconds, figures["plain"], strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        bar = f"bar {BARS[way]:.2f}" if way in BARS else ""
        print(f"  {way:24}{statistics.median(ratios):7.3f}x   middle half {low:.3f} to {high:.3f}   {bar}", flush=True)


def main(words: list[str]) -> None:
    """Measure what was asked for and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--only", action="append", help="some of the ways, besides plain")
    parser.add_argument("--inference-mode", action="store_true", help="in place of no_grad, which pipelines of diffusers use")
    asked = parser.parse_args(words)
    mode = torch.inference_mode if asked.inference_mode else torch.no_grad
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    ways = [way for way in WAYS if not asked.only or way == "plain" or way in asked.only]
    print(f"torch {torch.__version__}, {mode.__name__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    for name in asked.cases:
        report(name, measured(name, asked.rounds or (9 if name == "vae" else 21), ways, mode))


if __name__ == "__main__":
    main(sys.argv[1:])
