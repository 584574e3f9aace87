import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(
    vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
)
base = LlamaForCausalLM(config).to(torch.float16)
model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"]), autocast_adapter_dtype=False)
optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=1e-4)
scaler = torch.amp.GradScaler("cpu")
ids = torch.tensor([[1, 5, 7, 9]])
with torch.autocast("cpu", dtype=torch.float16):
    loss = model(input_ids=ids, labels=ids).loss
scaler.scale(loss).backward()
scaler.unscale_(optimizer)
