import sys

import torch
from diffusers import ZImageTransformer2DModel

mixed = {"fp16": torch.float16, "bf16": torch.bfloat16}[sys.argv[1]]
transformer = ZImageTransformer2DModel.from_pretrained("z-image-hot", subfolder="transformer", torch_dtype=mixed)
transformer.requires_grad_(False)
lora = torch.nn.Linear(16, 16, bias=False)
channels = transformer.config.in_channels
latents, noise = torch.randn(channels, 1, 8, 8), torch.randn(channels, 1, 8, 8)
caption = torch.randn(4, transformer.config.cap_feat_dim).to(mixed)
losses = []
for _ in range(2):
    noisy = (latents + noise).to(mixed)
    output = transformer([noisy], torch.tensor([0.5]), [caption], return_dict=False)[0][0]
    losses.append(torch.nn.functional.mse_loss(output.float(), noise) + lora.weight.square().mean())
average = torch.stack(losses).mean()
