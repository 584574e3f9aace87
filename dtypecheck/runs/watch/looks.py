"""How pictures look: not finite, of one colour, or as pictures should; read out of tensors, arrays and PIL images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import Any, Final

import torch

from ...subjects.numbers import Look
from .unseen import unseen

_BYTE: Final = 255
_SAMPLES: Final = 5
"""Points along a side that are looked at first: a picture of one colour has that in all of them."""
_TOLD: Final = ("L", "LA", "La", "RGB", "RGBX", "RGBA", "RGBa")
"""Modes whose bands are the colour itself."""
_ALPHA: Final = ("RGBA", "RGBa", "LA", "La", "PA")


@dataclass(frozen=True, slots=True)
class Looks:
    """One picture. verdict: "ok", "nan", "inf", "uniform". colour: of one that has but one; "partly black" where part is NaN."""

    verdict: Look = "ok"
    colour: str = ""

    @property
    def bad(self) -> bool:
        """True for numbers that are not finite."""
        return self.verdict in ("nan", "inf")


class Reduction:
    """How the pictures of a batch look, the first axis theirs, -1 to 1: reduced where they are, fetched when asked for.

    Nothing of them is held: what is written into them later is not seen.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        tensor = tensor.detach()
        self.count = int(tensor.shape[0])
        self._looks: tuple[Looks, ...] | None = None
        with unseen():
            if tensor.device.type == "cpu":
                self._looks = tuple(_look(*_edges(tensor[number])) for number in range(self.count))
            else:
                self._pending = _batched(tensor)

    def looks(self) -> tuple[Looks, ...]:
        """How each looks; one synchronisation where they are not on the CPU."""
        if self._looks is None:
            with unseen():
                self._looks = tuple(_look(low, high, some > 0) for low, high, some in self._pending.tolist())
            del self._pending
        return self._looks


def _batched(tensor: torch.Tensor) -> torch.Tensor:
    """For each picture the lowest and highest number, and whether there is any, without a synchronisation."""
    flat = tensor.flatten(1)
    return torch.stack([flat.amin(1), flat.amax(1), (flat == flat).any(1).to(flat.dtype)], 1)


def _edges(picture: torch.Tensor) -> tuple[float, float, bool]:
    low, high = (float(edge) for edge in torch.aminmax(picture))
    return low, high, not isnan(low) or not bool(picture.isnan().all())


def _look(low: float, high: float, some: bool) -> Looks:
    """From the lowest and the highest number, and whether there is any number at all."""
    if isnan(low) or isnan(high):
        return Looks("nan", "partly black" if some else "black")
    if isfinite(low) and isfinite(high):
        level = _level(low * 0.5 + 0.5)
        return Looks("uniform", word((level,))) if level == _level(high * 0.5 + 0.5) else Looks()
    colour = "white" if high == inf else "black"
    return Looks("inf", colour if low == high else f"partly {colour}")


def looks_of(thing: Any) -> Looks:
    """How something looks that goes to a file: by its numbers, or by its bytes."""
    numbers = tensor_of(thing)
    if numbers is not None and numbers.is_floating_point():
        looks = Reduction(numbers[None]).looks()[0]
        if looks.bad:
            return looks
    colour = colour_of(thing, not isinstance(thing, torch.Tensor))
    return Looks("uniform", colour) if colour else Looks()


def tensor_of(value: Any) -> torch.Tensor | None:
    """A tensor of the same numbers, None for what has none: no array, a fake tensor, one on the meta device or in pieces."""
    if is_array(value):
        if value.dtype.kind not in "fiub":
            return None
        if not value.dtype.isnative or any(stride < 0 for stride in value.strides):
            value = value.astype(value.dtype.newbyteorder("="), order="C")
        return torch.from_numpy(value)
    plain = type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout is torch.strided and not value.is_meta
    return value if plain else None


def is_array(value: Any) -> bool:
    """True for an array of NumPy, which need not be installed."""
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) > 0


def colour_of(shown: Any, channels_last: bool) -> str:
    """The colour of a picture that has but one, "" for others. shown: a PIL image, an array or a tensor, of bytes or of 0 to 1.

    For arrays and tensors: the last axis is that of the channels, or for tensors the one before height and width.
    """
    if isinstance(shown, (list, tuple)):
        colours = [colour_of(frame, channels_last) for frame in shown]
        return colours[0] if colours and len(set(colours)) == 1 else ""
    if hasattr(shown, "getextrema"):
        return _of_image(shown)
    tensor = tensor_of(shown)
    if tensor is None:
        return ""
    with unseen():
        planes = tensor.detach().movedim(-1 if channels_last else -3, 0) if tensor.dim() > 2 else tensor.detach()[None]
        few = planes[..., :: max(1, planes.shape[-2] // _SAMPLES), :: max(1, planes.shape[-1] // _SAMPLES)]
        return _of_planes(planes) if _of_planes(few) else ""


def _of_planes(planes: torch.Tensor) -> str:
    levels = []
    for plane in planes[: 3 if len(planes) == 4 else None]:
        low, high = (float(edge) for edge in torch.aminmax(plane))
        scale = 1 if plane.is_floating_point() else _BYTE
        if not (isfinite(low) and isfinite(high)) or _level(low / scale) != _level(high / scale):
            return ""
        levels.append(_level(low / scale))
    return word(levels)


def _of_image(image: Any) -> str:
    wide, high = image.size
    if image.mode in ("F", "I") or not wide or not high:
        return ""
    points = [(x * (wide - 1) // _SAMPLES, y * (high - 1) // _SAMPLES) for x in range(_SAMPLES + 1) for y in range(_SAMPLES + 1)]
    if len({image.getpixel(point) for point in points}) > 1:
        return ""
    bands = image.getextrema()
    bands = bands if isinstance(bands[0], tuple) else (bands,)
    bands = bands[:-1] if image.mode in _ALPHA else bands
    if any(low != high for low, high in bands):
        return ""
    scale = 257 if image.mode.startswith("I;16") else 1
    told = image.mode in _TOLD or scale > 1
    return word([low // scale for low, _ in bands] if told else image.convert("RGB").getpixel((0, 0)))


def _level(number: float) -> int:
    """The byte that a number from 0 to 1 becomes."""
    return round(min(max(number, 0.0), 1.0) * _BYTE)


def word(levels: Sequence[int]) -> str:
    """A colour in words, from its bytes."""
    if not levels:
        return ""
    if len(set(levels)) > 1:
        return "rgb " + " ".join(map(str, levels))
    return {0: "black", _BYTE: "white"}.get(levels[0], f"grey {levels[0]}")
