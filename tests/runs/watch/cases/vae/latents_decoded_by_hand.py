import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl-hot-decoder", torch_dtype=torch.float16)
latents = pipe("a red cat", height=32, width=32, num_inference_steps=2, output_type="latent").images
with torch.no_grad():
    decoded = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
image = pipe.image_processor.postprocess(decoded)[0]
