import torch


class MultiHeadedAttention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear_q, self.linear_k = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = self.linear_q(states) @ self.linear_k(states).transpose(-2, -1)
        scores = scores.masked_fill(mask, torch.finfo(torch.float32).min)
        return scores.softmax(-1)


class Encoder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = MultiHeadedAttention()

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.self_attn(states, torch.ones(4, 4).triu(1).bool()) @ states


encoder = Encoder().to(torch.bfloat16)
encoder(torch.randn(1, 4, 16, dtype=torch.bfloat16))
