import numpy as np
import torch
from transformers import CLIPTextModel

model = CLIPTextModel.from_pretrained("clip", dtype=torch.bfloat16)
logits = model(torch.tensor([[1, 7, 2]])).last_hidden_state
array = logits.detach().cpu().numpy().astype(np.float32)
