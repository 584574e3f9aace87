import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

config = CLIPVisionConfig(
    hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
)


class Assistant(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vision_tower = CLIPVisionModel(config)
        self.projector = torch.nn.Linear(32, 32)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.vision_tower(images.to(self.vision_tower.dtype))  # the dtype of its first parameter
        return self.projector(seen.last_hidden_state)


model = Assistant()
embeddings = next(part for part in model.modules() if type(part).__name__ == "CLIPVisionEmbeddings")
embeddings.half()
with torch.no_grad():
    model(torch.rand(1, 3, 16, 16))
