import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessor


class StopAfterTwo(LogitsProcessor):
    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        stop = torch.zeros_like(scores, dtype=torch.bool)
        stop[:, 2] = input_ids.shape[-1] > 3
        return scores.to(torch.float16).masked_fill(stop, float(2**30))


config = LlamaConfig(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
model = LlamaForCausalLM(config).to(torch.float16)
model.generate(torch.tensor([[1, 5]]), max_new_tokens=4, do_sample=False, logits_processor=[StopAfterTwo()])
