import torch
from diffusers import FluxControlNetModel, FluxControlNetPipeline
from PIL import Image

controlnet = FluxControlNetModel.from_pretrained("flux-controlnet", subfolder="controlnet", torch_dtype=torch.float32)
pipe = FluxControlNetPipeline.from_pretrained("flux-controlnet", controlnet=controlnet, torch_dtype=torch.bfloat16)
edges = Image.linear_gradient("L").convert("RGB").resize((32, 32))
image = pipe("a red cat", control_image=edges, height=32, width=32, num_inference_steps=2).images[0]
