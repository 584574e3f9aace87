import torch
from diffusers import FluxPipeline

pipe = FluxPipeline.from_pretrained("flux", torch_dtype=torch.bfloat16)
pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
