import sys

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
pipe.unet.set_attn_processor(AttnProcessor())
attention = pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1
for projection in (attention.to_q, attention.to_k):
    torch.nn.init.uniform_(projection.weight, -200, 200)  # queries and keys as large as those of 2.1-768
attention.upcast_attention = sys.argv[1:] == ["upcast"]
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
