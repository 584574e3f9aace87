import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)


class Thresholding(DDPMScheduler):
    def _threshold_sample(self, sample: torch.Tensor) -> torch.Tensor:
        limit = torch.quantile(sample.abs().flatten(1), 0.995, dim=1).clamp(min=1.0)[:, None, None, None]
        return sample.clamp(-limit, limit) / limit


pipe.scheduler = Thresholding.from_config(pipe.scheduler.config, thresholding=True)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
