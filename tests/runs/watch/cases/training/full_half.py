import torch
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16)
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
noise = torch.randn(1, 4, 8, 8).half()
context = torch.randn(1, 8, unet.config.cross_attention_dim).half()
for _ in range(3):
    loss = torch.nn.functional.mse_loss(unet(noise, 10, context).sample, noise)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
