import torch
from diffusers import FluxPipeline


class QLinear(torch.nn.Module):
    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        scale = linear.weight.data.abs().amax(1, keepdim=True).float() / 127
        self.register_buffer("_data", (linear.weight.data.float() / scale).round().to(torch.int8))
        self.register_buffer("_scale", scale.to(torch.bfloat16))
        self.bias = linear.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(states, self._data * self._scale) + self.bias


pipe = FluxPipeline.from_pretrained("flux", torch_dtype=torch.float16)
pipe.transformer.context_embedder = QLinear(pipe.transformer.context_embedder)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
