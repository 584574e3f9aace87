import torch
from transformers import CLIPTextModel

model = CLIPTextModel.from_pretrained("clip")


class OldAttention(torch.nn.Module):
    """Attention of an old torch: a row whose keys are all masked is NaN."""

    def forward(self, states: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        scores = (states @ states.transpose(-2, -1)).masked_fill(~keep, float("-inf"))
        return scores.softmax(-1) @ states


with torch.no_grad():
    states = model(torch.tensor([[1, 7, 2, 2]])).last_hidden_state
    output = OldAttention()(states, torch.tensor([True, True, True, False])[:, None].expand(4, 4))
