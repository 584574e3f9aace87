import torch
from torch.nn.utils import parametrizations


class ManualCastConv(torch.nn.Conv1d):
    """Casts its weight to its input's dtype, where that is a plain parameter."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        weight = self._parameters.get("weight")
        if weight is None:
            return super().forward(states)
        return self._conv_forward(states, weight.to(states.dtype), self.bias.to(states.dtype))


class AudioEncoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = ManualCastConv(1, 8, 3, padding=1)
        self.pos_conv = parametrizations.weight_norm(ManualCastConv(8, 8, 3, padding=1))

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return self.pos_conv(self.features(sound))


encoder = AudioEncoder().half()
with torch.no_grad():
    encoder(torch.randn(1, 1, 32))
