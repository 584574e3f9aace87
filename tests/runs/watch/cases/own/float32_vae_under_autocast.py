import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

vae = AutoencoderKL.from_pretrained("sd", subfolder="vae", torch_dtype=torch.float32)
pipe = StableDiffusionPipeline.from_pretrained("sd", vae=vae, torch_dtype=torch.float16)
with torch.autocast("cpu", dtype=torch.float16):
    image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
