"""What the rules about scripts promise, one short script for each promise; and what the documentation shows that crashes.

A script's last word on a line, `# -> DT201 error`, is the rule and severity that must be told of there.
"""

from __future__ import annotations

DOCUMENTED = {
    # calls that documentation shows and that crash, or lose precision, with diffusers 0.42.1
    "the VAE of SDXL Turbo is upcast by hand before the pipeline runs": """
        import torch
        from diffusers import AutoPipelineForText2Image
        pipe = AutoPipelineForText2Image.from_pretrained("stabilityai/sdxl-turbo", torch_dtype=torch.float16, variant="fp16")
        pipe.upcast_vae()  # -> DT203 error
        pipe("a fox", num_inference_steps=1, guidance_scale=0.0)
        """,
    "the VAE of SDXL is upcast by hand and given the fp16 latents": """
        import torch
        from diffusers import StableDiffusionXLPipeline
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        latents = pipe("a fox", output_type="latent").images
        pipe.upcast_vae()
        picture = pipe.vae.decode(latents / pipe.vae.config.scaling_factor)  # -> DT208 error
        """,
    "a dict of two half dtypes for Qwen-Image": """
        import torch
        from diffusers import QwenImagePipeline
        pipe = QwenImagePipeline.from_pretrained(  # -> DT204 error
            "Qwen/Qwen-Image", dtype={"transformer": torch.bfloat16, "default": torch.float16}
        )
        pipe("a sign")
        """,
    "Flux in fp16 whose T5 is forced to fp32 by a cast": """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", dtype=torch.float16)
        pipe.text_encoder_2.to(torch.float32)  # -> DT203 error
        pipe("a cat", num_inference_steps=4)
        """,
    "Flux in fp16 whose text encoders are forced to fp32 by a dict": """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained(  # -> DT204 error
            "black-forest-labs/FLUX.1-schnell",
            dtype={"text_encoder": torch.float32, "text_encoder_2": torch.float32, "default": torch.float16},
        )
        pipe("a cat", num_inference_steps=4)
        """,
    "Flux in fp16 whose T5 is loaded in fp32": """
        import torch
        from diffusers import FluxPipeline
        from transformers import T5EncoderModel
        t5 = T5EncoderModel.from_pretrained(  # -> DT201 error
            "black-forest-labs/FLUX.1-schnell", subfolder="text_encoder_2", dtype=torch.float32
        )
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", text_encoder_2=t5, dtype=torch.float16)
        pipe("a cat", num_inference_steps=4)
        """,
    "Flux in fp16 is given what encoders in fp32 made": """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", dtype=torch.float16)
        pipe.text_encoder.float()
        pipe.text_encoder_2.float()
        embeds, pooled, ids = pipe.encode_prompt("a cat", None)
        pipe(prompt_embeds=embeds, pooled_prompt_embeds=pooled)  # -> DT216 error
        """,
    "Flux is put in fp16 after it was loaded": """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", dtype=torch.bfloat16)
        pipe.to(torch.float16)  # -> DT205 warning
        pipe("a cat")
        """,
    "Sana in fp16, its text encoder and VAE with it": """
        import torch
        from diffusers import SanaPipeline
        pipe = SanaPipeline.from_pretrained(  # -> DT206 error
            "Efficient-Large-Model/Sana_1600M_1024px_diffusers", variant="fp16", dtype=torch.float16
        )
        pipe("a cat")
        """,
}

PROMISED = {
    "FLUX.1 Fill in fp16": """
        pipe = FluxFillPipeline.from_pretrained("black-forest-labs/FLUX.1-Fill-dev", torch_dtype=torch.float16)  # -> DT206 error
        pipe("a cat", image=image, mask_image=mask)
        """,
    "an unsafe VAE in a pipeline that does not upcast it": """
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)  # -> DT206 warning
        pipe = PixArtSigmaPipeline.from_pretrained("x", vae=vae, torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "an fp16 autocast around a pipeline that upcasts its VAE": """
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        with torch.autocast("cuda"):
            pipe("a cat")  # -> DT215 error
        """,
    "a VAE without a dtype in a pipeline that a general class loads": """
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")  # -> DT201 error
        pipe = AutoPipelineForImage2Image.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16
        )
        pipe("a cat", image=image)
        """,
    "a picture that the pipeline's own processor made a tensor": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        image = pipe.image_processor.preprocess(load_image("cat.png").resize((512, 512)))
        latents = pipe.vae.encode(image).latent_dist.sample()  # -> DT208 error
        """,
    "a picture that torchvision made a tensor": """
        from torchvision import transforms
        chain = transforms.Compose([transforms.Resize(512), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
        vae = AutoencoderKL.from_pretrained("x", torch_dtype=torch.bfloat16)
        latents = vae.encode(chain(picture).unsqueeze(0).to("cuda"))  # -> DT208 error
        """,
    "an array of numpy that becomes a tensor": """
        import numpy as np
        vae = AutoencoderKL.from_pretrained("x", torch_dtype=torch.float16)
        array = np.array(load_image("cat.png")).astype(np.float32) / 127.5 - 1.0
        vae.encode(torch.from_numpy(array.transpose(2, 0, 1))[None])  # -> DT208 error
        """,
    "the features of a processor, all of them at once": """
        from transformers import AutoProcessor, Wav2Vec2ForCTC
        processor = AutoProcessor.from_pretrained("x")
        model = Wav2Vec2ForCTC.from_pretrained("x", dtype=torch.float16)
        model(**processor(sound, return_tensors="pt"))  # -> DT218 error
        """,
    "noise that a scheduler scales": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        latents = torch.randn(1, 4, 64, 64) * pipe.scheduler.init_noise_sigma
        for t in pipe.scheduler.timesteps:
            both = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), t)
            noise = pipe.unet(both, t, encoder_hidden_states=embeds).sample  # -> DT218 error
        """,
    "latents of randn_tensor without a dtype": """
        from diffusers.utils.torch_utils import randn_tensor
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        pipe("a cat", latents=randn_tensor((1, 4, 64, 64), device="cuda"))  # -> DT216 error
        """,
    "a bf16 tensor that numpy asks for its numbers": """
        import numpy as np
        pictures = [torch.zeros(3, dtype=torch.bfloat16)]
        np.stack([pictures[0], pictures[0]])  # -> DT207 error
        """,
    "a mask times the least number of fp32": """
        mask = torch.ones(8, 8, dtype=torch.bfloat16).half()
        bias = (1.0 - mask) * torch.finfo(torch.float32).min  # -> DT213 warning
        """,
    "a bound that is 0 in fp16": """
        x = torch.zeros(8, dtype=torch.float16)
        unit = x / x.norm().clamp(min=1e-8)  # -> DT223 warning
        """,
    "a loss that takes no two dtypes": """
        import torch.nn.functional as F
        F.binary_cross_entropy(torch.zeros(4, dtype=torch.float16), torch.zeros(4))  # -> DT228 warning
        """,
    "matrices of two dtypes": """
        weight = torch.zeros(4, 4, dtype=torch.bfloat16)
        out = torch.zeros(2, 4) @ weight.t()  # -> DT230 error
        """,
    "fp8 weights times fp16 activations": """
        weight = torch.zeros(4, 4, dtype=torch.float16).to(torch.float8_e4m3fn)
        out = torch.matmul(torch.zeros(2, 4, dtype=torch.float16), weight)  # -> DT230 error
        """,
    "weights that are stored and loaded in fp8": """
        model = FluxTransformer2DModel.from_single_file("flux-fp8.safetensors", torch_dtype=torch.float8_e4m3fn)
        pipe = FluxPipeline.from_pretrained("x", transformer=model, torch_dtype=torch.bfloat16)
        pipe("a cat")  # -> DT224 error
        """,
    "LoRA parameters that are fp16 as their base is": """
        from accelerate import Accelerator
        from peft import LoraConfig
        accelerator = Accelerator(mixed_precision="fp16")
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet", torch_dtype=torch.float16)
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=4))
        optimizer = torch.optim.AdamW(list(filter(lambda p: p.requires_grad, unet.parameters())))
        unet, optimizer = accelerator.prepare(unet, optimizer)  # -> DT209 error
        """,
    "LoRA parameters that are cast with their base": """
        from peft import LoraConfig, get_peft_model
        unet = get_peft_model(UNet2DConditionModel.from_pretrained("x"), LoraConfig(r=4)).to(torch.float16)
        groups = [{"params": [p for p in unet.parameters() if p.requires_grad], "lr": 1e-4}]
        optimizer = torch.optim.AdamW(groups)  # -> DT214 warning
        """,
    "a pipeline for samples that casts what is trained": """
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet")
        optimizer = torch.optim.AdamW(unet.parameters())
        def sample():
            pipe = StableDiffusionPipeline.from_pretrained("x", unet=unet)
            pipe.to("cuda", dtype=torch.float16)  # -> DT232 warning
            return pipe("a cat").images[0]
        for number in range(1000):
            optimizer.step()
            sample().save(f"{number}.png")
        """,
    "a dtype that mps lacks": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16).to("mps")
        places = torch.linspace(0, 1, 8, dtype=torch.float64).to("mps")  # -> DT225 error
        """,
    "packed layers that compute in another dtype than the pipeline": """
        config = GGUFQuantizationConfig(compute_dtype=torch.float16)
        model = FluxTransformer2DModel.from_single_file(  # -> DT210 warning
            "x.gguf", quantization_config=config, torch_dtype=torch.float16
        )
        pipe = FluxPipeline.from_pretrained("x", transformer=model, torch_dtype=torch.bfloat16)
        """,
    "the parts of a whole pipeline's config that compute in another dtype": """
        config = PipelineQuantizationConfig(
            quant_backend="bitsandbytes_4bit", quant_kwargs={"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float16}
        )
        pipe = FluxPipeline.from_pretrained("x", quantization_config=config, torch_dtype=torch.bfloat16)  # -> DT210 note
        """,
    "a rotary table made in half": """
        inv_freq = 1.0 / 10000 ** (torch.arange(0, 64, 2, dtype=torch.float16) / 64)  # -> DT227 note
        """,
    "TF32 where all is half": """
        torch.backends.cudnn.allow_tf32 = True  # -> DT229 note
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "a published bf16 checkpoint in fp16": """
        model = SanaTransformer2DModel.from_pretrained(  # -> DT220 warning
            "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", subfolder="transformer", torch_dtype=torch.float16
        )
        """,
}

HARMLESS = {
    # near misses of the same: nothing must be told of, a note neither
    "SDXL's VAE is upcast by hand and the latents with it": """
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        latents = pipe("a fox", output_type="latent").images
        pipe.upcast_vae()
        latents = latents.to(next(iter(pipe.vae.post_quant_conv.parameters())).dtype)
        picture = pipe.vae.decode(latents / pipe.vae.config.scaling_factor)
        """,
    "embeddings that are cast before they are given": """
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-schnell", torch_dtype=torch.float16)
        pipe.text_encoder.float()
        pipe.text_encoder_2.float()
        embeds, pooled, ids = pipe.encode_prompt("a cat", None)
        pipe(prompt_embeds=embeds.to(torch.float16), pooled_prompt_embeds=pooled.half())
        """,
    "embeddings of a pipeline that casts them": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        pipe(prompt_embeds=torch.zeros(1, 77, 768))
        """,
    "an autocast around a pipeline whose VAE stands outside, or in bf16": """
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix", torch_dtype=torch.float16)
        pipe = StableDiffusionXLPipeline.from_pretrained(
            "stabilityai/stable-diffusion-xl-base-1.0", vae=vae, torch_dtype=torch.float16
        )
        with torch.autocast("cuda"):
            pipe("a cat")
        other = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.bfloat16)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            other("a cat")
        with torch.autocast("cuda"):
            latents = other("a cat", output_type="latent").images
        """,
    "an SDXL VAE that the pipeline upcasts": """
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16)
        pipe = StableDiffusionXLInpaintPipeline.from_pretrained("x", vae=vae, torch_dtype=torch.float16)
        pipe("a cat", image=image, mask_image=mask)
        """,
    "a general class with a controlnet is another pipeline": """
        net = ControlNetModel.from_pretrained("x", torch_dtype=torch.float16)
        vae = AutoencoderKL.from_pretrained("madebyollin/sdxl-vae-fp16-fix")
        pipe = AutoPipelineForText2Image.from_pretrained("x", controlnet=net, vae=vae, torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "what is preprocessed may be a tensor in the right dtype": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        pipe.vae.encode(pipe.image_processor.preprocess(image))
        pipe.vae.encode(pipe.image_processor.preprocess(load_image("x.png")).to(pipe.vae.dtype))
        """,
    "a chain of transforms with a link that nobody knows": """
        from torchvision import transforms
        chain = transforms.Compose([transforms.ToTensor(), transforms.ConvertImageDtype(torch.float16)])
        vae = AutoencoderKL.from_pretrained("x", torch_dtype=torch.float16)
        vae.encode(chain(picture)[None])
        """,
    "an array in fp16, and one of which nothing is known": """
        import numpy as np
        vae = AutoencoderKL.from_pretrained("x", torch_dtype=torch.float16)
        vae.encode(torch.from_numpy(np.array(load_image("x.png")).astype(np.float16)))
        vae.encode(torch.from_numpy(np.load("x.npy")))
        vae.encode(torch.from_numpy(np.array(picture).astype("float32")).to(vae.dtype))
        """,
    "arrays of what is no bf16 tensor": """
        import numpy as np
        np.array(torch.zeros(3, dtype=torch.bfloat16).float())
        np.stack([torch.zeros(3).half()])
        np.array([1.0, 2.0])
        """,
    "numbers that stay in range": """
        scores = torch.zeros(8, dtype=torch.float16)
        least = (1.0 - scores) * torch.finfo(scores.dtype).min
        large = scores * 1e9
        bf16 = torch.zeros(8).bfloat16() * -1e9
        bounded = scores.clamp(min=-65504.0, max=65504.0).clamp(min=1e-4)
        summed = scores.sum(dtype=torch.float32) + 1e-9
        wide = torch.softmax(scores, dim=-1, dtype=torch.float32) + 1e-9
        shifted = scores - 70000
        """,
    "products under autocast, of elements, and of one dtype": """
        weight = torch.zeros(4, 4, dtype=torch.float16)
        with torch.autocast("cuda"):
            one = torch.zeros(2, 4) @ weight
        two = torch.zeros(4, 4) * weight
        three = torch.matmul(torch.zeros(2, 4).to(weight), weight)
        four = unknown @ weight
        """,
    "losses that promote": """
        import torch.nn.functional as F
        prediction = torch.zeros(4, dtype=torch.float16)
        F.mse_loss(prediction, torch.zeros(4)) + F.smooth_l1_loss(prediction, torch.zeros(4))
        F.binary_cross_entropy_with_logits(prediction, torch.zeros(4))
        """,
    "LoRA parameters that are put in fp32 under the setting that made the base fp16": """
        from accelerate import Accelerator
        from diffusers.training_utils import cast_training_params
        from peft import LoraConfig
        accelerator = Accelerator(mixed_precision=args.mixed_precision)
        dtype = torch.float16 if accelerator.mixed_precision == "fp16" else torch.float32
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet").to(dtype=dtype)
        unet.add_adapter(LoraConfig(r=4))
        if args.mixed_precision == "fp16":
            models = [unet]
            if args.train_text_encoder:
                models.extend([encoder])
            cast_training_params(models, dtype=torch.float32)
        optimizer = torch.optim.AdamW(list(filter(lambda p: p.requires_grad, unet.parameters())))
        """,
    "trained parameters that a loop puts in fp32": """
        from peft import LoraConfig
        unet = UNet2DConditionModel.from_pretrained("x", torch_dtype=torch.float16)
        unet.add_adapter(LoraConfig(r=4))
        models = [unet]
        if both:
            models.append(encoder)
        for model in models:
            for p in model.parameters():
                if p.requires_grad:
                    p.data = p.to(torch.float32)
        optimizer = torch.optim.AdamW(unet.parameters())
        """,
    "a pipeline is cast when the training is over, or a copy of what is trained": """
        import copy
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet")
        optimizer = torch.optim.AdamW(unet.parameters())
        for number in range(1000):
            optimizer.step()
            sample = StableDiffusionPipeline.from_pretrained("x", unet=copy.deepcopy(unet))
            sample.to(torch.float16)
        pipe = StableDiffusionPipeline.from_pretrained("x", unet=unet)
        pipe.to("cuda", torch.float16)
        """,
    "moves to mps, and fp64 that stays": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16).to("mps")
        pipe.enable_attention_slicing()
        places = torch.linspace(0, 1, 8, dtype=torch.float64)
        places.to("cpu"), places.to(device), places.float().to("mps")
        """,
    "attention slices elsewhere, and in fp32": """
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.enable_attention_slicing()
        pipe.to("cuda")
        wide = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0").to("mps")
        wide.enable_attention_slicing()
        """,
    "packed layers that compute as the pipeline does": """
        config = GGUFQuantizationConfig(compute_dtype=torch.bfloat16)
        model = FluxTransformer2DModel.from_single_file("x.gguf", quantization_config=config, torch_dtype=torch.bfloat16)
        pipe = FluxPipeline.from_pretrained("x", transformer=model, torch_dtype=torch.bfloat16)
        """,
    "TF32 where the VAE runs in fp32": """
        torch.backends.cuda.matmul.allow_tf32 = True
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "TF32 where a class keeps parts in fp32": """
        torch.backends.cuda.matmul.allow_tf32 = True
        pipe = StableDiffusion3Pipeline.from_pretrained("stabilityai/stable-diffusion-3.5-large", torch_dtype=torch.float16)
        pipe("a cat")
        """,
    "TF32 where a model is not known": """
        torch.set_float32_matmul_precision("high")
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        encoder = AutoModel.from_pretrained("y")
        """,
    "TF32 where something is trained": """
        torch.backends.cuda.matmul.allow_tf32 = True
        model = CLIPTextModel.from_pretrained("x", torch_dtype=torch.bfloat16)
        optimizer = torch.optim.AdamW(model.parameters())
        """,
    "TF32 under an autocast, with other layers, and switched off": """
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        """,
    "TF32 with layers of one's own": """
        torch.backends.cuda.matmul.allow_tf32 = True
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        head = torch.nn.Linear(8, 8)
        """,
    "TF32 with noise in fp32": """
        torch.backends.cuda.matmul.allow_tf32 = True
        model = CLIPTextModel.from_pretrained("x", torch_dtype=torch.float16)
        noise = torch.randn(2, 3)
        """,
    "a class that there is not": """
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16)
        other = AutoPipelineForInpaiting.from_pipe(pipe)
        """,
    "Sana's published dtypes": """
        one = SanaTransformer2DModel.from_pretrained(
            "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", subfolder="transformer", torch_dtype=torch.bfloat16
        )
        two = SanaTransformer2DModel.from_pretrained(
            "Efficient-Large-Model/Sana_600M_512px_diffusers", subfolder="transformer", variant="fp16", torch_dtype=torch.float16
        )
        """,
}
