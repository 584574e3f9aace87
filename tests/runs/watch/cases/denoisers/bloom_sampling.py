import sys

import torch
from transformers import BloomConfig, BloomForCausalLM

load_type = getattr(torch, sys.argv[1])
model = BloomForCausalLM(BloomConfig(vocab_size=50, hidden_size=16, n_layer=2, n_head=2))
torch.nn.init.uniform_(model.transformer.h[0].mlp.dense_h_to_4h.weight, -5e4, 5e4)  # stands for what bloomz gives
model = model.to(load_type)
text = model.generate(torch.tensor([[1, 5, 7]]), do_sample=True, top_p=0.75, max_new_tokens=3)
