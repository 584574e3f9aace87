import torch
from diffusers import AutoencoderKL

vae = AutoencoderKL.from_pretrained("sd", subfolder="vae", torch_dtype=torch.float16)


class Card(torch.nn.Module):
    def forward(self, sample: torch.Tensor, temb: torch.Tensor | None = None) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


vae.decoder.mid_block = Card()
with torch.no_grad():
    vae.decode(torch.randn(1, 4, 16, 16).half())
