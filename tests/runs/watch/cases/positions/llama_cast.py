import sys

import torch
from transformers import LlamaConfig, LlamaModel

config = LlamaConfig(
    vocab_size=50, hidden_size=32, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
model = LlamaModel(config).eval()
exact = model.rotary_emb.inv_freq.clone()
if sys.argv[1:] != ["keep"]:
    model = model.to(torch.bfloat16)
with torch.no_grad():
    model(torch.arange(40)[None])
rounded = (model.rotary_emb.inv_freq.float() - exact).sign()
