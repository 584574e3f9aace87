import torch
from diffusers import AutoencoderKL

vae = AutoencoderKL.from_pretrained("sdxl-hot-encoder", subfolder="vae", torch_dtype=torch.float16).eval()


def cache_batch_latents(images: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        latents = vae.encode(torch.stack(list(images.values())).to(vae.dtype)).latent_dist.sample()
    for path, latent in zip(images, latents, strict=True):
        if torch.isnan(latent).any():
            raise ValueError(f"NaN detected in latents of {path}")


cache_batch_latents({"cat.png": torch.rand(3, 32, 32), "dog.png": torch.rand(3, 32, 32)})
