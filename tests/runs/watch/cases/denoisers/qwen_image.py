import sys

import torch
from diffusers import QwenImagePipeline

pipe = QwenImagePipeline.from_pretrained("qwen-image-hot", torch_dtype=getattr(torch, sys.argv[1]))
seen = []


def preview(pipe, step, timestep, tensors):
    seen.append(tensors["latents"])
    return tensors


call = {"height": 32, "width": 32, "num_inference_steps": 2, "callback_on_step_end": preview}
image = pipe("a red cat", negative_prompt="a dog", **call).images[0]
latents = seen[-1]
