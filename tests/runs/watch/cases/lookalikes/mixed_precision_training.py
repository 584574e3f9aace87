import torch
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet")
optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
noise, context = torch.randn(1, 4, 16, 16), torch.randn(1, 8, unet.config.cross_attention_dim)
for _ in range(2):
    with torch.autocast("cpu", dtype=torch.float16):
        loss = torch.nn.functional.mse_loss(unet(noise, 10, context).sample.float(), noise)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
