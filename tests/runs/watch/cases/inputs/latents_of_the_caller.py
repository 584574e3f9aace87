import torch
from diffusers import LattePipeline

pipe = LattePipeline.from_pretrained("latte", torch_dtype=torch.float16)
channels = pipe.transformer.config.in_channels
latents = torch.randn(1, channels, 2, 16, 16, dtype=torch.float32)
video = pipe("a red cat", latents=latents, video_length=2, height=32, width=32, num_inference_steps=2).frames
