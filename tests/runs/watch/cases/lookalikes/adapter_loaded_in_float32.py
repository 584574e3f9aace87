import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
get_peft_model(LlamaForCausalLM(config).half(), LoraConfig(r=2, target_modules=["q_proj"])).half().save_pretrained("adapter")
base = LlamaForCausalLM(config).to(torch.bfloat16)
model = PeftModel.from_pretrained(base, "adapter")
with torch.no_grad():
    logits = model(torch.tensor([[1, 5, 7]])).logits
