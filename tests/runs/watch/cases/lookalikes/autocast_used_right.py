import torch
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet")
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
noise, context = torch.randn(1, 4, 16, 16), torch.randn(1, 8, unet.config.cross_attention_dim)
for _ in range(2):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = unet(noise, 10, context).sample
    loss = torch.nn.functional.mse_loss(output.float(), noise)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
