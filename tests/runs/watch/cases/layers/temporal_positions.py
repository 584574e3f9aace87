import torch
from diffusers import LatteTransformer3DModel
from diffusers.models.attention import BasicTransformerBlock


class LatteAsItWas(torch.nn.Module):
    """The temporal half of Latte before its table of positions was cast."""

    def __init__(self, model: LatteTransformer3DModel) -> None:
        super().__init__()
        self.temporal_transformer_blocks: list[BasicTransformerBlock]
        self.temporal_transformer_blocks = model.temporal_transformer_blocks
        self.register_buffer("temp_pos_embed", model.temp_pos_embed.float(), persistent=False)

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        hidden_states = hidden_states + self.temp_pos_embed[:, : hidden_states.shape[1]]
        for block in self.temporal_transformer_blocks:
            hidden_states = block(hidden_states, timestep=timestep)
        return hidden_states


latte = LatteTransformer3DModel.from_pretrained("latte", subfolder="transformer", torch_dtype=torch.float16)
model = LatteAsItWas(latte)
wide = latte.temp_pos_embed.shape[-1]
with torch.no_grad():
    model(torch.randn(1, 2, wide).half(), torch.randn(1, 6 * wide).half())
