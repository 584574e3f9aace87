import torch
from transformers import MistralConfig, MistralForCausalLM

config = MistralConfig(
    vocab_size=50, hidden_size=32, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
model = MistralForCausalLM(config).eval()
exact = model.model.rotary_emb.inv_freq.clone()
for part in model.modules():  # what the trainer does with every buffer
    for name, buffer in part.named_buffers(recurse=False):
        setattr(part, name, buffer.to(torch.bfloat16))
with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
    model(torch.arange(40)[None])
rounded = (model.model.rotary_emb.inv_freq.float() - exact).sign()
