import torch
from diffusers import AutoPipelineForInpainting
from PIL import Image

pipe = AutoPipelineForInpainting.from_pretrained("sd", torch_dtype=torch.float16)
room = Image.linear_gradient("L").convert("RGB").resize((32, 32))
mask = Image.new("L", (32, 32), 0)
mask.save("mask.png")
image = pipe("a red cat", image=room, mask_image=mask, height=32, width=32, num_inference_steps=2).images[0]
