import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor

vae = AutoencoderKL.from_pretrained("sdxl-hot-decoder", subfolder="vae", torch_dtype=torch.float16)
latents = torch.randn(1, 4, 16, 16)
with torch.no_grad():
    decoded = vae.decode(latents.to(vae.dtype)).sample
    if decoded.isnan().all():
        vae = vae.float()
        decoded = vae.decode(latents).sample
image = VaeImageProcessor().postprocess(decoded)[0]
