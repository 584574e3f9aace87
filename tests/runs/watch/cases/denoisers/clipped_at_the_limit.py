import torch
from diffusers import QwenImagePipeline

pipe = QwenImagePipeline.from_pretrained("qwen-image-clipped", torch_dtype=torch.float16)
call = {"height": 32, "width": 32, "num_inference_steps": 2}
image = pipe("a red cat", negative_prompt="a dog", **call).images[0]
