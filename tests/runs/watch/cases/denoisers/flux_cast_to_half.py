import sys

import torch
from diffusers import FluxPipeline

pipe = FluxPipeline.from_pretrained("flux-hot", torch_dtype=torch.bfloat16)
if sys.argv[1:] != ["bfloat16"]:
    pipe.to(torch.half)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
