import torch
from diffusers import FluxPipeline

pipe = FluxPipeline.from_pretrained("flux", torch_dtype=torch.bfloat16)
for block in pipe.transformer.transformer_blocks:
    for part in (block.ff, block.ff_context):
        for weight in part.parameters():
            weight.data = weight.data.to(torch.float8_e4m3fn)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
