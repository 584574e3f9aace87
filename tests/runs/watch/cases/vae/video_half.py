import torch
from diffusers import StableVideoDiffusionPipeline
from PIL import Image

pipe = StableVideoDiffusionPipeline.from_pretrained("svd-hot-decoder", torch_dtype=torch.float16)
pipe.vae.register_to_config(force_upcast=False)
first = Image.linear_gradient("L").convert("RGB").resize((32, 32))
frames = pipe(first, height=32, width=32, num_frames=2, num_inference_steps=2, decode_chunk_size=2).frames[0]
image = frames[-1]
