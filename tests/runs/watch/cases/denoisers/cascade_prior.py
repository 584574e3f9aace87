import sys

import torch
from diffusers import DDPMWuerstchenScheduler
from diffusers.models import StableCascadeUNet

dtype = getattr(torch, sys.argv[1])
prior = StableCascadeUNet(
    in_channels=4, out_channels=4, timestep_ratio_embedding_dim=16, patch_size=1, conditioning_dim=32,
    block_out_channels=(32, 32), num_attention_heads=(2, 2), down_num_layers_per_block=(1, 1), up_num_layers_per_block=(1, 1),
    down_blocks_repeat_mappers=(1, 1), up_blocks_repeat_mappers=(1, 1), block_types_per_layer=(("SDCascadeResBlock",),) * 2,
    clip_text_in_channels=16, clip_text_pooled_in_channels=16, clip_image_in_channels=16, clip_seq=2, kernel_size=3,
    dropout=(0.0, 0.0), self_attn=True, timestep_conditioning_type=(),
)  # fmt: skip
torch.nn.init.uniform_(prior.up_blocks[1][0].channelwise[4].weight, -5e4, 5e4)  # stands for the published prior
prior = prior.to(dtype)
scheduler = DDPMWuerstchenScheduler()
scheduler.set_timesteps(2)
latents = torch.randn(1, 4, 8, 8).to(dtype)
pooled, text = torch.randn(1, 1, 16).to(dtype), torch.randn(1, 4, 16).to(dtype)
with torch.no_grad():
    for ratio in scheduler.timesteps[:-1]:
        predicted = prior(latents, ratio.expand(1).to(dtype), pooled, text, pooled, return_dict=False)[0]
        latents = scheduler.step(predicted, ratio.expand(1), latents).prev_sample.to(dtype)
