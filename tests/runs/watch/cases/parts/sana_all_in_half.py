import sys

import torch
from diffusers import SanaPipeline

pipe = SanaPipeline.from_pretrained("sana-hot-encoder", torch_dtype=torch.float16)
if sys.argv[1:] == ["bfloat16"]:
    pipe.text_encoder.to(torch.bfloat16)
    pipe.vae.to(torch.bfloat16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2, use_resolution_binning=False).images[0]
