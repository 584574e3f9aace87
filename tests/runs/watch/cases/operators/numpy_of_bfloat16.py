import torch
from diffusers import AutoencoderKL

vae = AutoencoderKL.from_pretrained("sd", subfolder="vae", torch_dtype=torch.bfloat16)
with torch.no_grad():
    decoded = vae.decode(torch.randn(1, 4, 16, 16, dtype=torch.bfloat16)).sample
array = decoded.cpu().numpy()
