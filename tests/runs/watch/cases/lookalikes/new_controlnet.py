import torch
from diffusers import ControlNetModel, UNet2DConditionModel

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16)
controlnet = ControlNetModel.from_unet(unet).half()
latents, context = torch.randn(1, 4, 16, 16).half(), torch.randn(1, 8, unet.config.cross_attention_dim).half()
with torch.no_grad():
    down, middle = controlnet(latents, 10, context, torch.rand(1, 3, 128, 128).half(), return_dict=False)
    noise = unet(latents, 10, context, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
