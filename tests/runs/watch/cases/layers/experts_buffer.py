import torch


class MoE(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = torch.nn.Linear(8, 2, dtype=torch.float32)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(8, 8, dtype=torch.bfloat16) for _ in range(2))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        chosen = self.gate(hidden).argmax(-1)
        y = torch.empty_like(hidden)
        for number, expert in enumerate(self.experts):
            y[chosen == number] = expert(hidden[chosen == number].to(torch.bfloat16))
        return y


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = torch.nn.LayerNorm(8).float()  # upcast_layernorm: true
        self.mlp = MoE()

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.mlp(self.input_layernorm(hidden.float()))


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Layer()

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.layer(hidden)


model = Model()
with torch.no_grad():
    model(torch.randn(6, 8).bfloat16())
