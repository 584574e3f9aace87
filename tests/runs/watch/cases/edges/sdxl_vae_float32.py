import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline

vae = AutoencoderKL.from_pretrained("sdxl", subfolder="vae", torch_dtype=torch.float32)
pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16, vae=vae)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
