import sys

import torch
from diffusers import UNet2DModel

dtype = getattr(torch, sys.argv[1])
unet = UNet2DModel(
    sample_size=8, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1, add_attention=False,
    down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
).to(dtype)  # fmt: skip
noise = torch.randn(1, 3, 8, 8)
model_output = unet(noise.to(dtype), 10).sample
if sys.argv[2:] == ["float"]:
    model_output = model_output.float()
loss = torch.nn.functional.huber_loss(model_output, noise)  # as mse_loss was until torch 2.1
loss.backward()
