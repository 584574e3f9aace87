import torch
from diffusers import AutoencoderKL
from PIL import Image

vae = AutoencoderKL.from_pretrained("sd", subfolder="vae")


def encode_img(im: Image.Image) -> torch.Tensor:
    pixels = torch.frombuffer(bytearray(im.tobytes()), dtype=torch.uint8).view(32, 32, 3).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        return 0.18215 * vae.encode(pixels.type(torch.float16) * 2 - 1).latent_dist.sample()


encode_img(Image.linear_gradient("L").convert("RGB").resize((32, 32)))
