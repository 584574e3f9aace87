import torch
from diffusers import FluxTransformer2DModel

transformer = FluxTransformer2DModel.from_pretrained("flux", subfolder="transformer", torch_dtype=torch.bfloat16)


class LoraLinear(torch.nn.Module):
    def __init__(self, base: torch.nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = torch.nn.Linear(base.in_features, 2, bias=False, dtype=torch.bfloat16)
        self.lora_B = torch.nn.Linear(2, base.out_features, bias=False, dtype=torch.bfloat16)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        cast = states.to(self.lora_A.weight.dtype)  # the dtype it is stored in
        return self.base_layer(states) + self.lora_B(self.lora_A(cast))


transformer.proj_out = LoraLinear(transformer.proj_out)
transformer.proj_out.lora_A.to(torch.float8_e4m3fn)
config = transformer.config
call = {
    "hidden_states": torch.randn(1, 4, config.in_channels).bfloat16(),
    "encoder_hidden_states": torch.randn(1, 2, config.joint_attention_dim).bfloat16(),
    "pooled_projections": torch.randn(1, config.pooled_projection_dim).bfloat16(),
    "timestep": torch.tensor([0.5]).bfloat16(), "img_ids": torch.zeros(4, 3), "txt_ids": torch.zeros(2, 3),
    "guidance": torch.tensor([3.5]).bfloat16() if config.guidance_embeds else None,
}  # fmt: skip
with torch.no_grad():
    transformer(**call)
