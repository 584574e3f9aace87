import gguf
import torch
from diffusers.quantizers.gguf.utils import GGUFLinear, GGUFParameter, _dequantize_gguf_and_restore_linear

kind = gguf.GGMLQuantizationType.Q8_0


def packed(wide: int) -> GGUFLinear:
    layer = GGUFLinear(wide, wide, bias=False, compute_dtype=torch.bfloat16)
    data = gguf.quants.quantize(torch.randn(wide, wide).numpy(), kind)
    layer.weight = GGUFParameter(torch.from_numpy(data), quant_type=kind)
    return layer


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj_in, self.proj_out = packed(32), torch.nn.Linear(32, 4).to(torch.bfloat16)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.proj_out(self.proj_in(states))


model = Model()
model = _dequantize_gguf_and_restore_linear(model)
model.proj_in.half()  # what the dequantisation gave until it was told the compute dtype
model(torch.randn(1, 32).to(torch.bfloat16))
