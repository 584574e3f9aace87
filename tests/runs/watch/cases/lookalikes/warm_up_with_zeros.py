import torch
from diffusers import StableDiffusionXLPipeline

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
unet = pipe.unet
with torch.inference_mode():
    added = {"text_embeds": torch.zeros(1, 32).half(), "time_ids": torch.zeros(1, 6).half()}
    wide = unet.add_embedding.linear_1.in_features - 6 * unet.config.addition_time_embed_dim
    added["text_embeds"] = torch.zeros(1, wide).half()
    context = torch.zeros(1, 8, unet.config.cross_attention_dim).half()
    unet(torch.zeros(1, 4, 16, 16).half(), 0, context, added_cond_kwargs=added)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
