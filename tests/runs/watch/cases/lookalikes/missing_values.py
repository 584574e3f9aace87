import torch


class Imputed(torch.nn.Module):
    """Measurements of which some are missing, and which are filled with a learned number."""

    def __init__(self) -> None:
        super().__init__()
        self.fill, self.head = torch.nn.Parameter(torch.zeros(8)), torch.nn.Linear(8, 2)

    def forward(self, measured: torch.Tensor) -> torch.Tensor:
        return self.head(torch.where(measured.isnan(), self.fill, measured))


measured = torch.randn(4, 8)
measured[0, 3] = measured[2, 5] = float("nan")
with torch.no_grad():
    output = Imputed()(measured)
