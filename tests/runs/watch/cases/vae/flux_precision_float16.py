import sys

import torch
from diffusers import AutoencoderKL, FluxPipeline

precision = torch.float16
vae = AutoencoderKL.from_pretrained("flux-hot-decoder", subfolder="vae", torch_dtype=getattr(torch, sys.argv[1]))
pipe = FluxPipeline.from_pretrained("flux-hot-decoder", vae=vae, torch_dtype=vae.dtype)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
