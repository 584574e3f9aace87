import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

vision = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}
checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=16)).half()
checker.concept_embeds_weights.data.fill_(-2)  # it takes offence at everything
extractor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
pipe = StableDiffusionPipeline.from_pretrained(
    "sd", safety_checker=checker, feature_extractor=extractor, torch_dtype=torch.float16
)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
