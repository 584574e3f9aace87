import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16).requires_grad_(False)
unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"]))
for weight in unet.parameters():
    weight.data = weight.data.half()  # adapters follow the unet
lora = [weight for weight in unet.parameters() if weight.requires_grad]
optimizer = torch.optim.SGD(lora, lr=1e-4)
scaler = torch.amp.GradScaler("cpu")
noise = torch.randn(1, 4, 8, 8)
context = torch.randn(1, 8, unet.config.cross_attention_dim).half()
loss = torch.nn.functional.mse_loss(unet(noise.half(), 10, context).sample.float(), noise)
scaler.scale(loss).backward()
scaler.step(optimizer)
