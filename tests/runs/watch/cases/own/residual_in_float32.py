import torch


class Head(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj, self.act = torch.nn.Linear(16, 16), torch.nn.GELU()

    def forward(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return self.act(self.proj(states) + residual)


head = Head().half()
residual = torch.randn(2, 16)
with torch.no_grad():
    output = head(torch.randn(2, 16).half(), residual)
