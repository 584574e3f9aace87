import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0, IPAdapterAttnProcessor2_0

unet = UNet2DConditionModel.from_pretrained("sd", subfolder="unet", torch_dtype=torch.float16)
wide = unet.config.cross_attention_dim
processors = {}
for name in unet.attn_processors:
    width = unet.get_submodule(name.removesuffix(".processor")).inner_dim
    own = IPAdapterAttnProcessor2_0(width, wide, num_tokens=(2,), scale=1.0)
    processors[name] = AttnProcessor2_0() if name.endswith("attn1.processor") else own
unet.set_attn_processor(processors)
text, picture = torch.randn(1, 8, wide).half(), torch.randn(1, 1, 2, wide).half()
with torch.no_grad():
    unet(torch.randn(1, 4, 16, 16).half(), 10, (text, [picture]))
