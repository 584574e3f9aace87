import sys

import torch
from diffusers import ZImagePipeline

pipe = ZImagePipeline.from_pretrained("z-image-hot", torch_dtype=getattr(torch, sys.argv[1]))
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
