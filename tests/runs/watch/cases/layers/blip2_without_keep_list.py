import sys

import torch
from transformers import T5ForConditionalGeneration


class Blip2(torch.nn.Module):
    def __init__(self, language_model: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.language_projection = torch.nn.Linear(8, language_model.config.d_model)
        self.language_model = language_model

    def forward(self, states: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        embeds = self.language_projection(states)
        return self.language_model(inputs_embeds=embeds, decoder_input_ids=ids).logits


dtype = getattr(torch, sys.argv[1])
model = Blip2(T5ForConditionalGeneration.from_pretrained("t5-whole-hot")).eval().to(dtype)
wo = model.language_model.decoder.block[0].layer[2].DenseReluDense.wo
seen = []
wo.register_forward_hook(lambda *call: seen.append(call[-1]))
with torch.no_grad():
    model(torch.randn(1, 3, 8).to(dtype), torch.tensor([[0, 4]]))
feed_forward = seen[0]
