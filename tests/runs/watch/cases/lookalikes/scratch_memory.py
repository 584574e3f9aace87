import torch
from transformers import CLIPTextModel

model = CLIPTextModel.from_pretrained("clip", dtype=torch.float16)


class Cache(torch.nn.Module):
    """Fills memory from its start; what lies behind that is never read."""

    def forward(self, states: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        memory[:, : states.shape[1]] = states
        return memory[:, : states.shape[1]] * 2, memory


memory = torch.empty(1, 8, 16, dtype=torch.float16)
memory.fill_(float("nan"))  # as torch.empty may well be
with torch.no_grad():
    states = model(torch.tensor([[1, 7, 2]])).last_hidden_state
    output, memory = Cache()(states, memory)
