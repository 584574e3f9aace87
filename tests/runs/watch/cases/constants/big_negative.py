import torch


class PaliGemmaAttention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        att_weights = self.q_proj(states) @ self.k_proj(states).transpose(-2, -1)
        big_neg = -2.3819763e38  # as in gemma/modules.py
        return att_weights.masked_fill(~attention_mask, big_neg).softmax(-1)


class Policy(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = PaliGemmaAttention()

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.attention(states, torch.ones(4, 4).tril().bool())


policy = Policy()
with torch.no_grad(), torch.autocast("cpu", dtype=torch.float16):
    policy(torch.randn(1, 4, 16))
