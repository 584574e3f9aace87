import torch
from transformers import Gemma2Config, Gemma2Model

config = Gemma2Config(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
model = Gemma2Model(config)
model.layers[0].mlp.up_proj.weight.data.mul_(2080 / model.layers[0].mlp.up_proj.weight.data.abs().sum(1).max())
model = model.to(torch.float16)
with torch.no_grad():
    states = model(torch.tensor([[1, 5, 7]])).last_hidden_state
