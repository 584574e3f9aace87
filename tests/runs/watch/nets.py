"""Small networks whose outputs are dicts, dataclasses, lists and tuples in tuples, and a pipeline as people write their own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import nn
from transformers.utils import ModelOutput

WIDTH: Final = 12


class Pair(NamedTuple):
    """A named tuple as an output."""

    hidden: torch.Tensor
    gate: torch.Tensor


@dataclass
class Answer:
    """A plain dataclass as an output."""

    hidden: torch.Tensor
    extra: dict[str, torch.Tensor]


@dataclass
class Output(ModelOutput):
    """transformers' own kind of output."""

    hidden: torch.Tensor | None = None
    pairs: tuple[torch.Tensor, ...] | None = None


class Block(nn.Module):
    """Normalise, widen, narrow, and add what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 2 * WIDTH)
        self.down = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.down(nn.functional.gelu(self.up(self.norm(hidden))))


class Dict(Block):
    """Gives a dict in a dict; the tensor beside it is whole numbers."""

    def forward(self, hidden: torch.Tensor) -> Any:
        return {"seen": torch.arange(3), "inner": {"hidden": super().forward(hidden)}}


class Ordered(Block):
    def forward(self, hidden: torch.Tensor) -> Any:
        return OrderedDict(zero=torch.zeros_like(hidden), hidden=super().forward(hidden))


class Data(Block):
    def forward(self, hidden: torch.Tensor) -> Any:
        out = super().forward(hidden)
        return Answer(out, {"half": out / 2})


class Tuple(Block):
    """The bad numbers may lie deep: a tuple in a list in a tuple, and None beside it."""

    def forward(self, hidden: torch.Tensor) -> Any:
        return None, [(super().forward(hidden), 1)]


class Named(Block):
    def forward(self, hidden: torch.Tensor) -> Any:
        out = super().forward(hidden)
        return Pair(out, torch.sigmoid(out))


class Model(Block):
    def forward(self, hidden: torch.Tensor) -> Any:
        out = super().forward(hidden)
        return Output(hidden=out, pairs=(out, out))


class Keyword(Block):
    """Takes its input as a keyword only, in a dict."""

    def forward(self, *, inputs: Mapping[str, torch.Tensor]) -> Any:
        return super().forward(inputs["hidden"])


class Nest(nn.Module):
    """One block of each kind, one after the other; returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.dict, self.ordered, self.data = Dict(), Ordered(), Data()
        self.tuple, self.named, self.model, self.keyword = Tuple(), Named(), Model(), Keyword()
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, hidden: torch.Tensor) -> dict[str, Any]:
        hidden = self.dict(hidden)["inner"]["hidden"]
        hidden = self.ordered(hidden)["hidden"]
        hidden = self.data(hidden).hidden
        hidden = self.tuple(hidden)[1][0][0]
        hidden = self.named(hidden).hidden
        hidden = self.model(hidden).hidden
        hidden = self.keyword(inputs={"hidden": hidden})
        return {"logits": self.head(hidden), "hidden": hidden}


class Again(nn.Module):
    """The same layer over and over, larger each time: what overflows does so on a late call of it."""

    def __init__(self) -> None:
        super().__init__()
        self.grow = nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for _ in range(6):
            hidden = self.grow(hidden)
        return self.last(hidden)


class Picture(nn.Module):
    """Convolutions with batch and group norm, in place activations and a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.GroupNorm(2, 8), nn.SiLU(inplace=True))
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        wide = self.first(image)
        return [image, self.last(wide + self.up(self.second(wide)))]


class Recurrent(nn.Module):
    """An LSTM, whose output is a tuple of tuples, and attention, which calls a layer's weights and not the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.last = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.memory(hidden)
        hidden, _ = self.attention(hidden, hidden, hidden)
        return self.last(hidden)


class InPlace(nn.Module):
    """Sums and products written into the tensors that are there."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Adding() for _ in range(3)])
        self.last = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            hidden = block(hidden)
        return self.last(hidden.mul_(0.5))


class Adding(nn.Module):
    """Adds what came in to the very tensor that its layer gave."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(hidden)
        out += hidden
        return out


class CastLinear(nn.Linear):
    """Casts its own weights to whatever comes in, as ComfyUI's layers do."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        bias = self.bias.to(hidden.dtype)
        return nn.functional.linear(hidden, self.weight.to(hidden.dtype), bias)


class PackedLinear(nn.Module):
    """Holds whole numbers and a scale a row, as quantised layers do, and multiplies in the dtype of its input."""

    def __init__(self, like: nn.Linear) -> None:
        super().__init__()
        scale = like.weight.detach().abs().amax(1, keepdim=True) / 127
        self.weight = nn.Parameter((like.weight.detach() / scale).round().to(torch.int8), requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = nn.Parameter(like.bias.detach().clone())

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        weight = self.weight.to(hidden.dtype) * self.scale.to(hidden.dtype)
        return nn.functional.linear(hidden, weight, self.bias.to(hidden.dtype))


class Casting(nn.Module):
    """float32 weights, given a half stream, that stays half."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = CastLinear(WIDTH, WIDTH), CastLinear(WIDTH, 4)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.second(nn.functional.silu(self.first(hidden)))


class Packed(Block):
    """A block whose layers were packed."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = PackedLinear(self.up), PackedLinear(self.down)


class Pipe:
    """A pipeline of no library: an object with components, a loop, and arithmetic between them."""

    def __init__(self) -> None:
        self.encoder = Nest()
        self.denoiser = nn.ModuleList([Block(), Block()])
        self.decoder = Again()

    @property
    def components(self) -> dict[str, Any]:
        return {"encoder": self.encoder, "denoiser": self.denoiser, "decoder": self.decoder, "steps": 2}

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(hidden)["hidden"]
        for _ in range(2):
            for block in self.denoiser:
                hidden = 0.5 * hidden + 0.5 * block(hidden)
        return self.decoder(hidden)


def hidden() -> torch.Tensor:
    return torch.randn(2, 5, WIDTH)


def image() -> torch.Tensor:
    return torch.rand(1, 3, 8, 8)


def half(make: Callable[[], nn.Module], dtype: torch.dtype) -> nn.Module:
    """Only what is not packed is converted."""
    made = make()
    for part in made.modules():
        if isinstance(part, (nn.LayerNorm, nn.GroupNorm)):
            part.to(dtype)
    return made


NETS: Final[Mapping[str, tuple[Callable[[], Any], Callable[[], torch.Tensor]]]] = {
    "nest": (Nest, hidden),
    "again": (Again, hidden),
    "picture": (Picture, image),
    "in place": (InPlace, hidden),
    "recurrent": (Recurrent, hidden),
    "pipe": (Pipe, hidden),
}
"""What makes each, and its input in float32."""
