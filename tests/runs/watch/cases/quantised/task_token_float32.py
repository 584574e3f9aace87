import torch
from diffusers import FluxPipeline

dtype = torch.float16
pipe = FluxPipeline.from_pretrained("flux", torch_dtype=dtype)
task_embedding = torch.nn.Embedding(2, pipe.transformer.config.joint_attention_dim)
with torch.no_grad():
    embeds, pooled, _ = pipe.encode_prompt("a red cat", "a red cat")
    task = task_embedding(torch.tensor([[1]]))
    embeds = torch.cat([task, embeds], dim=1)
    pipe.encode_prompt = lambda **rest: (embeds, pooled, torch.zeros(embeds.shape[1], 3))
    image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
