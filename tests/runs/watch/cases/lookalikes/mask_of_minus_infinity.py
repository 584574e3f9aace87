import torch


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = torch.nn.Linear(16, 48), torch.nn.Linear(16, 16)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        query, key, value = self.qkv(states).chunk(3, -1)
        return self.out(torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask))


model = Attention().to(torch.bfloat16)
causal = torch.full((4, 4), float("-inf")).triu(1).to(torch.bfloat16)
with torch.no_grad():
    output = model(torch.randn(1, 4, 16).bfloat16(), causal)
