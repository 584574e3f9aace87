import contextlib
import sys

import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
noise = torch.randn(1, 4, 16, 16)
wrapped = sys.argv[1:] == ["autocast"]
with torch.autocast("cpu", dtype=torch.float16) if wrapped else contextlib.nullcontext():
    image = pipe("a red cat", latents=noise, height=32, width=32, num_inference_steps=2).images[0]
