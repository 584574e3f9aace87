import torch


class InstructBlip(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query_tokens = torch.nn.Parameter(torch.randn(1, 4, 16))
        self.qformer = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.GELU())
        self.language_projection = torch.nn.Linear(16, 16)

    def generate(self, pixel_values: torch.Tensor) -> torch.Tensor:
        states = torch.cat([self.query_tokens, pixel_values], dim=1)
        return self.language_projection(self.qformer(states))


model = InstructBlip()
model.qformer.half()
model.language_projection.half()  # what the quantiser leaves in half; the tokens are no module of their own
inputs = torch.rand(1, 2, 16).to(torch.float16)
with torch.no_grad():
    model.generate(inputs)
