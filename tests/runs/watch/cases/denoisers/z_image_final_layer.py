import sys

import torch
from diffusers import ZImagePipeline

pipe = ZImagePipeline.from_pretrained("z-image-hot-end", torch_dtype=getattr(torch, sys.argv[1]))
latents = pipe("a red cat", height=32, width=32, num_inference_steps=2, output_type="latent").images
