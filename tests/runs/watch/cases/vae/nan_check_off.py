import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

vae = AutoencoderKL.from_pretrained("sdxl-hot-decoder", subfolder="vae", torch_dtype=torch.float16)


def decode_first_stage(latents: torch.Tensor) -> torch.Tensor:
    return vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample


with torch.no_grad():
    samples = decode_first_stage(torch.randn(2, 4, 16, 16)).float()
samples = torch.clamp((samples + 1.0) / 2.0, min=0.0, max=1.0)
for sample in samples:
    array = 255.0 * np.moveaxis(sample.numpy(), 0, 2)
    image = Image.fromarray(array.astype(np.uint8))
    image.save("sample.png")
