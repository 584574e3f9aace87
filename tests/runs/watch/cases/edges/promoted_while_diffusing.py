import torch
from diffusers import PixArtSigmaPipeline

pipe = PixArtSigmaPipeline.from_pretrained("pixart", torch_dtype=torch.bfloat16)
call = {"height": 32, "width": 32, "num_inference_steps": 2, "use_resolution_binning": False}
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
    latents = pipe("a red cat", output_type="latent", **call).images
latents = latents + 0.01 * torch.randn(latents.shape)
with torch.no_grad():
    image = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
