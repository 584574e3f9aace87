import torch
from transformers import CLIPTextModel

text_encoder = CLIPTextModel.from_pretrained("clip", dtype=torch.float16)
text_encoder.requires_grad_(False)
table = text_encoder.get_input_embeddings()
table.weight.requires_grad_(True)
optimizer = torch.optim.AdamW(table.parameters(), lr=5e-4)
ids = torch.tensor([[1, 7, 2]])
for _ in range(2):
    loss = text_encoder(ids).last_hidden_state.float().square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
weights = table.weight
