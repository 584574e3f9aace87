import sys

import torch
from diffusers import CogVideoXPipeline

pipe = CogVideoXPipeline.from_pretrained("cogvideox-hot", torch_dtype=getattr(torch, sys.argv[1]))
frames = pipe("a red cat", height=32, width=32, num_frames=5, num_inference_steps=2).frames[0]
image = frames[0]
