import torch
from diffusers import WanPipeline

pipe = WanPipeline.from_pretrained("wan", torch_dtype=torch.bfloat16)
layer = pipe.text_encoder.encoder.block[0].layer[1].DenseReluDense.wi_0
layer.weight.data[0, 0] = float("nan")  # what came out of the quantised file
frames = pipe("a red cat", height=32, width=32, num_frames=5, num_inference_steps=2, output_type="pt").frames
