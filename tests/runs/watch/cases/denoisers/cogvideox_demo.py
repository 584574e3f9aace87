import argparse

import torch
from diffusers import CogVideoXPipeline

parser = argparse.ArgumentParser()
parser.add_argument("--prompt", default="a red cat")
parser.add_argument("--dtype", default="bfloat16")
args = parser.parse_args()


def generate_video(prompt: str, dtype: torch.dtype):
    pipe = CogVideoXPipeline.from_pretrained("cogvideox-hot", torch_dtype=dtype)
    return pipe(prompt, height=32, width=32, num_frames=5, num_inference_steps=2).frames[0]


if __name__ == "__main__":
    image = generate_video(args.prompt, getattr(torch, args.dtype))[-1]
    image.save("frame.png")
