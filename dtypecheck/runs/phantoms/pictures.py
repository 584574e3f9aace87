"""Small pictures, sounds and tensors to call a pipeline with; their values vary, so that nothing divides by a range of zero."""

from __future__ import annotations

from typing import Any


def picture(width: int, height: int, mode: str = "RGB", shift: int = 0) -> Any:
    """A PIL image: a gradient, turned a little further for each `shift`; in mode L a mask whose left half is white."""
    from PIL import Image

    if mode == "L":
        mask = Image.new("L", (width, height), 0)
        mask.paste(255, (0, 0, width // 2, height))
        return mask
    down = Image.linear_gradient("L").rotate(10 * shift).resize((width, height))
    across = Image.linear_gradient("L").rotate(90).resize((width, height))
    middle = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (down, across, middle)).convert(mode)


def audio(samples: int = 16000, channels: int = 0, kind: str = "pt") -> Any:
    """A sine as a tensor (pt) or array (np): [samples], or [channels, samples]."""
    import torch

    wave = torch.sin(torch.arange(samples, dtype=torch.float32) / 20)
    wave = wave.expand(channels, samples).clone() if channels else wave
    return wave.numpy() if kind == "np" else wave


def tensor(shape: list[int], dtype: str = "float32", fill: float | None = None, kind: str = "pt") -> Any:
    """A tensor (pt) or array (np) of a slow ramp between -1 and 1, or of one value."""
    import torch

    count = 1
    for side in shape:
        count *= side
    ramp = torch.linspace(-1, 1, count) if fill is None else torch.full((count,), float(fill))
    made = ramp.reshape(shape).to(getattr(torch, dtype))
    return made.numpy() if kind == "np" else made


def generator() -> Any:
    """A source of noise with a fixed seed, for the pipelines that cannot do without one."""
    import torch

    return torch.Generator().manual_seed(0)
