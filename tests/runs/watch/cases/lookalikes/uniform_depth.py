import torch
from diffusers import MarigoldDepthPipeline
from PIL import Image

pipe = MarigoldDepthPipeline.from_pretrained("marigold", torch_dtype=torch.float16)
wall = Image.new("RGB", (32, 32), (128, 128, 128))
depth = pipe(wall, num_inference_steps=1, output_type="np").prediction
image = Image.new("L", (32, 32), int(255 * float(depth.mean().clip(0, 1))))
image.save("depth.png")
