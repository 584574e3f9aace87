import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image

controlnet = ControlNetModel.from_pretrained("sd-controlnet", subfolder="controlnet")
pipe = StableDiffusionControlNetPipeline.from_pretrained("sd-controlnet", controlnet=controlnet, torch_dtype=torch.float16)
edges = Image.linear_gradient("L").convert("RGB").resize((32, 32))
image = pipe("a red cat", image=edges, num_inference_steps=2).images[0]
