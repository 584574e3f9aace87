import torch


class Int8Linear(torch.nn.Module):
    def __init__(self, wide: int, compute_dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randint(-127, 127, (wide, wide), dtype=torch.int8), requires_grad=False)
        self.scale, self.compute_dtype = 0.01, compute_dtype
        self.bias = torch.nn.Parameter(torch.zeros(wide, dtype=torch.float16))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        weight = self.weight.to(self.compute_dtype) * self.scale
        return torch.addmm(self.bias, states, weight.t())


model = torch.nn.Sequential(torch.nn.Linear(16, 16).half(), Int8Linear(16))
model(torch.randn(2, 16).half())
