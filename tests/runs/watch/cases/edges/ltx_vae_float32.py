import torch
from diffusers import AutoencoderKLLTXVideo, LTXPipeline

vae = AutoencoderKLLTXVideo.from_pretrained("ltx", subfolder="vae", torch_dtype=torch.float32)
pipe = LTXPipeline.from_pretrained("ltx", vae=vae, torch_dtype=torch.float16)
call = {"height": 64, "width": 64, "num_frames": 9, "num_inference_steps": 2}
latents = pipe("a red cat", output_type="latent", **call).frames
latents = pipe._unpack_latents(latents.to(pipe.transformer.dtype), 2, 2, 2)
with torch.no_grad():
    video = pipe.vae.decode(latents, return_dict=False)[0]
