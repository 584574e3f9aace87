import torch


class WanAttentionBlock(torch.nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(wide, elementwise_affine=False)
        self.self_attn = torch.nn.Linear(wide, wide)
        self.norm3 = torch.nn.LayerNorm(wide)
        self.modulation = torch.nn.Parameter(torch.randn(1, 6, wide))

    def forward(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        e = (self.modulation + e).float().chunk(6, dim=1)
        y = self.self_attn((self.norm1(x) * (1 + e[1]) + e[0]).to(x.dtype))
        x = x + y * e[2]
        return x + self.norm3(x)


class WanModel(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList([WanAttentionBlock(16)])

    def forward(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x, e)
        return x


transformer = WanModel().to(torch.bfloat16)
transformer(torch.randn(1, 4, 16).bfloat16(), torch.randn(1, 6, 16).bfloat16())
