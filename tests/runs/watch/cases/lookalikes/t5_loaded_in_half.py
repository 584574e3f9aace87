import torch
from diffusers import PixArtSigmaPipeline
from transformers import T5EncoderModel

encoder = T5EncoderModel.from_pretrained("pixart", subfolder="text_encoder", dtype=torch.float16)
pipe = PixArtSigmaPipeline.from_pretrained("pixart", text_encoder=encoder, torch_dtype=torch.float16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2, use_resolution_binning=False).images[0]
