import torch
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
pipe.vae.decoder.conv_out.weight.data.mul_(0.01)
pipe.vae.decoder.conv_out.bias.data.fill_(-0.97)
image = pipe("a coal cellar at night", height=32, width=32, num_inference_steps=2).images[0]
