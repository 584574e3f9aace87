import sys

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import SlicedAttnProcessor

no_half = sys.argv[1:] == ["--no-half"]
dtype = torch.float32 if no_half else torch.float16
unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=dtype)
unet.set_attn_processor(SlicedAttnProcessor(1))
attention = unet.mid_block.attentions[0].transformer_blocks[0].attn2
torch.nn.init.uniform_(attention.to_q.weight, -300, 300)  # queries and keys as large as those of 2.1-768
torch.nn.init.uniform_(attention.to_k.weight, -300, 300)
context = torch.randn(1, 8, unet.config.cross_attention_dim).to(dtype)
with torch.no_grad():
    noise = unet(torch.randn(1, 4, 16, 16).to(dtype), 500, context).sample
