import torch
from diffusers import AutoencoderKL


class NansException(Exception):
    pass


def test_for_nans(tensor: torch.Tensor, where: str) -> None:
    if torch.all(torch.isnan(tensor)).item():
        message = f"A tensor with all NaNs was produced in {where}."
        raise NansException(message + " Try adding --no-half-vae commandline argument to fix this.")


vae = AutoencoderKL.from_pretrained("sdxl-hot-decoder", subfolder="vae", torch_dtype=torch.float16)
with torch.no_grad():
    decoded = vae.decode(torch.randn(1, 4, 16, 16, dtype=vae.dtype)).sample
    test_for_nans(decoded, "VAE")
