import torch
from diffusers import AutoencoderDC
from diffusers.models.attention_processor import SanaMultiscaleLinearAttention


class AsItWas(SanaMultiscaleLinearAttention):
    def apply_quadratic_attention(self, query, key, value):
        scores = torch.matmul(key.transpose(-1, -2), query).to(torch.float32)
        return torch.matmul(value, scores / (scores.sum(dim=2, keepdim=True) + self.eps))


ae = AutoencoderDC.from_pretrained("sana", subfolder="vae", torch_dtype=torch.bfloat16)
for part in ae.modules():
    if isinstance(part, SanaMultiscaleLinearAttention):
        part.__class__ = AsItWas
with torch.no_grad():
    image = ae.decode(torch.randn(1, ae.config.latent_channels, 2, 2).bfloat16()).sample
