import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False))
for name, weight in pipe.unet.named_parameters():
    if "lora" in name:
        weight.data = weight.data.float()
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
