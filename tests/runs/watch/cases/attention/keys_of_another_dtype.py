import torch
from diffusers import UNet2DConditionModel


class IpAttention(torch.nn.Module):
    def __init__(self, embeds: torch.Tensor) -> None:
        super().__init__()
        self.embeds = embeds

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        query = attn.to_q(hidden_states)
        ip_key = ip_value = self.embeds.expand(query.shape[0], -1, query.shape[-1])
        return attn.to_out[0](torch.nn.functional.scaled_dot_product_attention(query, ip_key, ip_value))


unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16)
unet.mid_block.attentions[0].transformer_blocks[0].attn2.set_processor(IpAttention(torch.randn(1, 4, 1)))
context = torch.randn(1, 8, unet.config.cross_attention_dim).half()
with torch.no_grad():
    unet(torch.randn(1, 4, 16, 16).half(), 10, context)
