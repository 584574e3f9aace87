import sys

import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl-hot-decoder", torch_dtype=torch.float16)
pipe.vae.register_to_config(force_upcast=sys.argv[1:] == ["upcast"])
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
