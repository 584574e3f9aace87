import numpy as np
import torch
from diffusers import MarigoldDepthPipeline
from PIL import Image

pipe = MarigoldDepthPipeline.from_pretrained("marigold", torch_dtype=torch.bfloat16)
room = Image.linear_gradient("L").convert("RGB").resize((32, 32))
depth = pipe(room, num_inference_steps=1, output_type="pt").prediction
image = Image.fromarray((255 * depth[0, 0].cpu().numpy()).astype(np.uint8))
