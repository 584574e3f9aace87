import torch
from diffusers import StableDiffusionPipeline


def fourier_filter(states: torch.Tensor, threshold: int, scale: float) -> torch.Tensor:
    frequencies = torch.fft.fftshift(torch.fft.fftn(states, dim=(-2, -1)), dim=(-2, -1))
    middle = states.shape[-1] // 2
    frequencies[..., middle - threshold : middle + threshold, middle - threshold : middle + threshold] *= scale
    return torch.fft.ifftn(torch.fft.ifftshift(frequencies, dim=(-2, -1)), dim=(-2, -1)).real


class FreeU(torch.nn.Module):
    def __init__(self, block: torch.nn.Module) -> None:
        super().__init__()
        self.block = block
        self.resnets, self.has_cross_attention = block.resnets, getattr(block, "has_cross_attention", False)

    def forward(self, hidden_states: torch.Tensor, **rest: object) -> torch.Tensor:
        return self.block(fourier_filter(hidden_states, 1, 0.9), **rest)


pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.bfloat16)
pipe.unet.up_blocks[0] = FreeU(pipe.unet.up_blocks[0])
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
