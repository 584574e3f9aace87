import torch
from transformers import CLIPTextModel

model = CLIPTextModel.from_pretrained("clip", dtype=torch.float16, attn_implementation="eager")
with torch.no_grad():
    states = model(torch.tensor([[1, 7, 2, 2]]), attention_mask=torch.tensor([[1, 1, 1, 0]])).last_hidden_state
