from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("sd")
eager = pipe.unet.forward


def compiled(*call, **named):
    """Stands for a compiled net that gives NaN for some inputs; the net itself does not."""
    sample = eager(*call, **named)[0]
    sample[:, :, ::3] = float("nan")
    return (sample,)


pipe.unet.forward = compiled
image = pipe("a red cat", height=32, width=32, num_inference_steps=2).images[0]
