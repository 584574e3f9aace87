import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
scores = torch.zeros(4)
share = scores / scores.sum()
