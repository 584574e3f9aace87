import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
wrong = torch.randn(1, 8, pipe.unet.config.cross_attention_dim + 8).half()
pipe(prompt_embeds=wrong, negative_prompt_embeds=wrong, height=32, width=32, num_inference_steps=2)
