import sys

import torch
from diffusers import StableDiffusion3Pipeline

model_dtype = sys.argv[1]
torch_dtype = torch.bfloat16 if model_dtype == "bf16" else torch.float16 if model_dtype == "fp16" else torch.float32
model = StableDiffusion3Pipeline.from_pretrained("sd3-hot", torch_dtype=torch_dtype)
with torch.no_grad():
    latents = model("a red cat", height=32, width=32, num_inference_steps=2, output_type="latent").images
