import torch
from diffusers import FluxPipeline
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor


class RegionAttention(FluxAttnProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, image_rotary_emb=None):
        states = hidden_states if encoder_hidden_states is None else torch.cat([encoder_hidden_states, hidden_states], 1)
        mask = torch.zeros(states.shape[1], states.shape[1], dtype=torch.bfloat16)
        return super().__call__(attn, hidden_states, encoder_hidden_states, mask, image_rotary_emb)


pipe = FluxPipeline.from_pretrained("flux", torch_dtype=torch.float16)
pipe.transformer.set_attn_processor(RegionAttention())
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
