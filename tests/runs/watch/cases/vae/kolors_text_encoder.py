import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

config = ChatGLMConfig(
    num_layers=2, hidden_size=32, ffn_hidden_size=64, kv_channels=16, num_attention_heads=2, multi_query_attention=True,
    multi_query_group_num=1, padded_vocab_size=100, seq_length=16, original_rope=True,
)  # fmt: skip
encoder = ChatGLMModel(config)
for weight in encoder.parameters():
    torch.nn.init.normal_(weight, std=0.1 if weight.ndim > 1 else 1.0)
torch.nn.init.uniform_(encoder.encoder.layers[0].mlp.dense_4h_to_h.weight, -5e4, 5e4)  # as hot as it is said to be on ROCm
encoder = encoder.half()
ids = torch.arange(2, 10)[None]
with torch.no_grad():
    states = encoder(ids, position_ids=torch.arange(8)[None], output_hidden_states=True, return_dict=True).hidden_states
embeds = states[-2].permute(1, 0, 2)

pipe = StableDiffusionXLPipeline.from_pretrained("sdxl", torch_dtype=torch.float16)
wide = pipe.unet.config.cross_attention_dim
call = {"prompt_embeds": embeds.repeat(1, 1, 4)[..., :wide], "pooled_prompt_embeds": embeds[:, -1]}
image = pipe(**call, guidance_scale=1.0, height=32, width=32, num_inference_steps=2).images[0]
