import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
pipe.vae.register_to_config(force_upcast=False)
small = pipe("a red cat", height=32, width=32, num_inference_steps=2, output_type="pt").images
sample = torch.nn.functional.interpolate(small.float(), scale_factor=2, mode="bicubic", antialias=True)
with torch.no_grad():
    latents = pipe.vae.encode(2 * sample - 1).latent_dist.mode()
