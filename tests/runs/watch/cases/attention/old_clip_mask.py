import torch
from diffusers import StableDiffusionPipeline


class OldAttention(torch.nn.Module):
    """Attention as in transformers 4.20: its causal mask is float32, and with it the probabilities."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (torch.nn.Linear(wide, wide) for _ in range(3))

    def forward(self, hidden_states: torch.Tensor, **rest: object) -> tuple[torch.Tensor, None]:
        scores = torch.bmm(self.q_proj(hidden_states), self.k_proj(hidden_states).transpose(1, 2))
        mask = torch.full(scores.shape[-2:], -1e4).triu(1)
        weights = torch.softmax(scores + mask, dim=-1)
        return torch.bmm(weights, self.v_proj(hidden_states)), None


pipe = StableDiffusionPipeline.from_pretrained("sd", torch_dtype=torch.float16)
layer = next(part for part in pipe.text_encoder.modules() if hasattr(part, "self_attn"))
layer.self_attn = OldAttention(pipe.text_encoder.config.hidden_size).half()
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
