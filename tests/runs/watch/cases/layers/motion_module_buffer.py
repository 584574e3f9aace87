import torch


class MotionWrapper(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.motion_module = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        moved = self.motion_module(x[keep].half())
        x[keep] = moved
        return x


class Unet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mm = MotionWrapper().half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mm(x, torch.tensor([True, False, True, False]))


unet = Unet()
with torch.no_grad():
    unet(torch.zeros(4, 8))
