import torch
from diffusers import HiDreamImagePipeline
from transformers import LlamaForCausalLM

llama = LlamaForCausalLM.from_pretrained(
    "hidream", subfolder="text_encoder_4", output_hidden_states=True, output_attentions=True, dtype=torch.float16
)
pipe = HiDreamImagePipeline.from_pretrained("hidream", text_encoder_4=llama, torch_dtype=torch.bfloat16)
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
