import torch
from diffusers import SD3Transformer2DModel

transformer = SD3Transformer2DModel.from_pretrained("sd3", subfolder="transformer", torch_dtype=torch.bfloat16)
config = transformer.config
latents = torch.randn(1, config.in_channels, 16, 16).bfloat16()
embeds, pooled = torch.randn(1, 4, config.joint_attention_dim), torch.randn(1, config.pooled_projection_dim)
timestep = torch.tensor([750.3]).expand(latents.shape[0]).to(latents.dtype)
with torch.no_grad():
    noise = transformer(latents, embeds.bfloat16(), pooled.bfloat16(), timestep / 1000).sample
