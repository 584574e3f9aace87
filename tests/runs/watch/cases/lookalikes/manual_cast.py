import torch


class ManualCast(torch.nn.Linear):
    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(states, self.weight.to(states.dtype), self.bias.to(states.dtype))


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = ManualCast(16, 32), ManualCast(32, 4)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.second(torch.nn.functional.gelu(self.first(states)))


net = Net().to(torch.float8_e4m3fn)
with torch.no_grad():
    output = net(torch.randn(2, 16).half())
