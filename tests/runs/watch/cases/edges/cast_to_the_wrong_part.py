import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
picture = torch.rand(1, 3, 32, 32)
pipe.upcast_vae()
pipe.vae.post_quant_conv.half()
picture = picture.to(next(iter(pipe.vae.post_quant_conv.parameters())).dtype)
with torch.no_grad():
    latents = pipe.vae.encode(picture).latent_dist.mode()
