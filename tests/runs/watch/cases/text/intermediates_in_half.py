import torch
from transformers import Gemma2Config, Gemma2Model

INTERMEDIATE_DTYPE = torch.float16

config = Gemma2Config(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
    head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
encoder = Gemma2Model(config).to(torch.bfloat16)
encoder.norm.weight.data.fill_(9e4)  # some text encoders give as much
head = torch.nn.Linear(16, 16).half()
with torch.no_grad():
    states = encoder(torch.tensor([[1, 5, 7]])).last_hidden_state
    conditioning = states.to(INTERMEDIATE_DTYPE)
    image = head(conditioning)
