import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

weight_dtype = torch.float16
unet = UNet2DConditionModel.from_pretrained("sdxl", subfolder="unet").to(weight_dtype)
vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae").to(torch.float32)  # in float32 to avoid NaN losses
pixel_values = torch.rand(1, 3, 32, 32).to(dtype=weight_dtype)
with torch.no_grad():
    latents = vae.encode(pixel_values).latent_dist.sample()
