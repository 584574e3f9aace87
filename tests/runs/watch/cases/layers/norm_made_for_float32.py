import torch


class LayerNormFp32(torch.nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.nn.functional.layer_norm(x.to(torch.float32), self.normalized_shape, self.weight, self.bias, self.eps)
        return out.to(x.dtype)


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.mlp = LayerNormFp32(16), torch.nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(self.ln_1(x))


class Visual(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resblocks = torch.nn.Sequential(Block(), Block())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.resblocks(x)


model = Visual()
model.to(torch.bfloat16)
model(torch.randn(1, 4, 16).bfloat16())
