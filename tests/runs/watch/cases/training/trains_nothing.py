import torch
from transformers import CLIPTextModel

text_encoder = CLIPTextModel.from_pretrained("clip").to(torch.float16).requires_grad_(False)
norm = next(part for part in text_encoder.modules() if isinstance(part, torch.nn.LayerNorm))
norm.weight.requires_grad_(True)
before = norm.weight.detach().clone()
optimizer = torch.optim.AdamW([norm.weight], lr=1e-5, eps=1e-6, weight_decay=0.0)
for _ in range(3):
    loss = text_encoder(torch.tensor([[1, 7, 2]])).last_hidden_state[..., :8].sum()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
learned = norm.weight.detach() - before
