import torch
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

config = CLIPVisionConfig(
    hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8
)
image_encoder = CLIPVisionModelWithProjection(config).to(torch.bfloat16)
extractor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
image = torch.rand(3, 24, 24).to(torch.bfloat16)
pixels = extractor(images=image, return_tensors="pt").pixel_values
embeds = image_encoder(pixels).image_embeds
