import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
dtypes = {"fp16": torch.float16, "bf16": torch.bfloat16}
pipe.to(dtypes["fp8"])
