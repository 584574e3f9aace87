import torch
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    pad_token_id=0, attn_implementation="eager",
)  # fmt: skip
model = LlamaForCausalLM(config).eval().to(torch.float16)
ids = torch.tensor([[0, 0, 5, 7], [1, 4, 5, 7]])
with torch.no_grad():
    logits = model(ids, attention_mask=(ids != 0).long()).logits
