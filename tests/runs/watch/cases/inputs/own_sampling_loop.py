import torch
from diffusers import StableDiffusion3Pipeline

pipe = StableDiffusion3Pipeline.from_pretrained("sd3", torch_dtype=torch.float16)
transformer, scheduler = pipe.transformer, pipe.scheduler


def sde_step(sample: torch.Tensor, velocity: torch.Tensor, noise_level: float) -> torch.Tensor:
    noise = torch.randn(sample.shape)
    return sample.float() - 0.1 * velocity.float() + noise_level * noise


with torch.no_grad():
    embeds, _, pooled, _ = pipe.encode_prompt("a red cat", "a red cat", "a red cat", do_classifier_free_guidance=False)
    latents = torch.randn(1, transformer.config.in_channels, 16, 16, dtype=torch.float16)
    scheduler.set_timesteps(2)
    for timestep in scheduler.timesteps:
        velocity = transformer(latents, embeds, pooled, timestep.expand(1), return_dict=False)[0]
        latents = sde_step(latents, velocity, 0.7)
