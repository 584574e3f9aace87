import torch
from diffusers import AutoencoderKL

weight_dtype = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}["fp16"]
vae = AutoencoderKL.from_pretrained("sd3", subfolder="vae")
vae.to("cpu", dtype=torch.float32)
batch = {"pixel_values": torch.rand(1, 3, 32, 32)}
pixel_values = batch["pixel_values"].to(dtype=weight_dtype)
model_input = vae.encode(pixel_values).latent_dist.sample()
