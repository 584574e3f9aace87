import torch
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
model = LlamaForCausalLM(config).to(torch.float16)
ids = torch.tensor([[1, 5, 7]])
text = model.generate(ids, max_new_tokens=4, do_sample=True, top_k=5, bad_words_ids=[[9], [11]], no_repeat_ngram_size=2)
