import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl-hot-decoder", torch_dtype=torch.float16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
