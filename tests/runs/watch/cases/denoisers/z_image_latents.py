import torch
from diffusers import ZImagePipeline
from PIL import Image

pipe = ZImagePipeline.from_pretrained("z-image-hot", torch_dtype=torch.float16)
call = {"height": 32, "width": 32, "num_inference_steps": 3, "guidance_scale": 0.0}
latents = pipe("a red cat", output_type="latent", **call).images
image = pipe("a red cat", **call).images[0]
assert isinstance(image, Image.Image)
image.save("example.png")
