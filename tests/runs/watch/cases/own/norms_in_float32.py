import torch
from diffusers import UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16)
for part in unet.modules():
    if isinstance(part, torch.nn.GroupNorm):
        part.float()
with torch.no_grad():
    noise = unet(torch.randn(1, 4, 16, 16).half(), 10, torch.randn(1, 8, unet.config.cross_attention_dim).half()).sample
