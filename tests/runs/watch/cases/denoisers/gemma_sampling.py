import sys

import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

config = Gemma2Config(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
model = Gemma2ForCausalLM(config)
torch.nn.init.uniform_(model.model.layers[1].mlp.up_proj.weight, -5e4, 5e4)  # stands for what 27B gives
model = model.to(getattr(torch, sys.argv[1]))
text = model.generate(torch.tensor([[1, 5, 7]]), do_sample=True, max_new_tokens=3)
