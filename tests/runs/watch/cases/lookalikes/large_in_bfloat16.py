import torch
from diffusers import ZImagePipeline

pipe = ZImagePipeline.from_pretrained("z-image-hot", torch_dtype=torch.bfloat16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
