"""Real dtype bugs of users' scripts, as short scripts of our own; those that are no longer bugs; and those no script shows.

A script's last word on a line, `# -> DT201`, is the rule that must be told of there.
"""

from __future__ import annotations

BUGS = {
    # still wrong with diffusers 0.42.1, transformers 5.23.0 and torch 2.13
    "DT-009": """
        import torch
        from diffusers import LattePipeline
        pipe = LattePipeline.from_pretrained("maxin-cn/Latte-1", torch_dtype=torch.float16).to("cuda")
        start = torch.randn((1, 4, 16, 64, 64), dtype=torch.float32, device="cuda")
        video = pipe("waves", latents=start).frames[0]  # -> DT216
        """,
    "DT-012": """
        import torch
        import torch.nn.functional as F
        class RegionAttention:
            dtype = torch.bfloat16
            def __call__(self, size):
                query = torch.randn(1, 24, size, 128, device="cuda").half()
                mask = torch.zeros(1, 1, size, size, device="cuda", dtype=self.dtype)
                return F.scaled_dot_product_attention(query, query, query, attn_mask=mask)  # -> DT219
        """,
    "DT-021": """
        from transformers import AutoTokenizer, Seq2SeqTrainer, Seq2SeqTrainingArguments, T5ForConditionalGeneration
        model = T5ForConditionalGeneration.from_pretrained("google/t5-v1_1-base")
        settings = Seq2SeqTrainingArguments(output_dir="out", fp16=True, per_device_train_batch_size=4)
        trainer = Seq2SeqTrainer(model, settings, train_dataset=data)  # -> DT221
        trainer.train()
        """,
    "DT-045": """
        import torch
        from transformers import T5EncoderModel
        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-large").cuda().eval()
        def embed(ids, mask):
            with torch.no_grad(), torch.cuda.amp.autocast():
                return encoder(input_ids=ids, attention_mask=mask).last_hidden_state  # -> DT221
        """,
    "DT-052": """
        import torch
        from diffusers import AutoencoderKL
        weight_dtype = torch.float16
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", subfolder="vae")
        vae.to("cuda", dtype=torch.float32)
        pixels = torch.stack([torch.zeros(3, 64, 64), torch.zeros(3, 64, 64)]).to("cuda", dtype=weight_dtype)
        latents = vae.encode(pixels).latent_dist.sample()  # -> DT208
        """,
    "DT-053": """
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse").to("cuda")
        image = torch.rand(1, 3, 512, 512).type(torch.float16).cuda() * 2 - 1
        latents = vae.encode(image)  # -> DT208
        """,
    "DT-055": """
        import argparse, torch
        from diffusers import AutoencoderKL, StableDiffusionInpaintPipeline
        parser = argparse.ArgumentParser()
        parser.add_argument("--vae", default="stabilityai/sd-vae-ft-mse")
        parser.add_argument("--mixed_precision", default="fp16")
        args = parser.parse_args()
        dtype = torch.float16 if args.mixed_precision == "fp16" else torch.float32
        vae = AutoencoderKL.from_pretrained(args.vae)  # -> DT201
        pipe = StableDiffusionInpaintPipeline.from_pretrained("x/inpainting", vae=vae, torch_dtype=dtype)
        pipe("a dog", image=image, mask_image=mask)
        """,
    "DT-060": """
        import torch
        from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
        edges = ControlNetModel.from_pretrained("lllyasviel/sd-controlnet-canny")  # -> DT201
        pipe = StableDiffusionControlNetPipeline.from_pretrained(
            "stable-diffusion-v1-5/stable-diffusion-v1-5", controlnet=edges, torch_dtype=torch.float16
        )
        pipe.to("cuda")
        pipe("a house", image=image)
        """,
    "DT-078": """
        import torch
        from diffusers import UNet2DConditionModel
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet")
        unet.to("cuda", dtype=torch.float16)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)
        scaler = torch.cuda.amp.GradScaler()
        scaler.unscale_(optimizer)  # -> DT209
        """,
    "DT-100": """
        import torch
        from diffusers import QwenImagePipeline
        pipe = QwenImagePipeline.from_pretrained("Qwen/Qwen-Image", torch_dtype=torch.float16)  # -> DT206
        pipe.enable_model_cpu_offload()
        pipe("a sign").images[0].save("sign.png")
        """,
    "DT-115": """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
        pipe.enable_sequential_cpu_offload()
        pipe.to(torch.half)  # -> DT205
        pipe("a cat", num_inference_steps=4)
        """,
    "DT-122": """
        import torch
        from transformers import LlamaForCausalLM
        model = LlamaForCausalLM.from_pretrained("meta-llama/Llama-2-7b-hf", torch_dtype=torch.float32)
        model = model.to(torch.bfloat16)  # -> DT227
        model.eval()
        """,
    "DT-134": """
        import torch
        from diffusers import StableDiffusionXLPipeline
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe = pipe.to("mps")
        pipe.enable_attention_slicing()  # -> DT231
        pipe("a tree").images[0]
        """,
    "DT-135": """
        from transformers import AutoModelForSpeechSeq2Seq, WhisperProcessor
        name = "openai/whisper-large-v3"
        processor = WhisperProcessor.from_pretrained(name)
        model = AutoModelForSpeechSeq2Seq.from_pretrained(name).to("cuda")
        inputs = processor(sound, sampling_rate=16000, return_tensors="pt")
        model.generate(inputs.input_features.to("cuda"))  # -> DT218
        """,
    "DT-139": """
        import torch
        from diffusers import SD3Transformer2DModel
        model = SD3Transformer2DModel.from_pretrained("x", subfolder="transformer", torch_dtype=torch.float16).to("cuda")
        latents = torch.randn(1, 16, 64, 64, device="cuda", dtype=torch.float16)
        for t in steps:
            noise = model(hidden_states=latents, timestep=t, encoder_hidden_states=embeds)[0]  # -> DT218
            wide = latents.float()
            latents = wide - 0.1 * torch.randn(1, 16, 64, 64, device="cuda")
        """,
    "DT-148": """
        import torch
        from diffusers import FluxTransformer2DModel
        model = FluxTransformer2DModel.from_pretrained("x", subfolder="transformer", torch_dtype=torch.float16).to("cuda")
        image = torch.randn(1, 1024, 64, device="cuda", dtype=torch.float16)
        task = torch.zeros(1, 1024, 64, device="cuda")
        model(hidden_states=image + task, encoder_hidden_states=embeds, timestep=t)  # -> DT218
        """,
    "DT-150": """
        import torch
        from diffusers import FluxTransformer2DModel, TorchAoConfig
        from torchao.quantization import Int8WeightOnlyConfig
        model = FluxTransformer2DModel.from_pretrained(  # -> DT210
            "black-forest-labs/FLUX.1-dev",
            subfolder="transformer",
            quantization_config=TorchAoConfig(Int8WeightOnlyConfig()),
            torch_dtype=torch.float16,
        )
        """,
    "DT-158": """
        import torch
        weights = torch.ones(3, 3, dtype=torch.bfloat16)
        table = weights.numpy()  # -> DT207
        """,
    "DT-159": """
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("x", subfolder="vae", torch_dtype=torch.bfloat16)
        images = torch.rand(2, 3, 256, 256, dtype=vae.dtype)
        pictures = [image.permute(1, 2, 0).cpu().numpy() for image in (images[0], images[1])]  # -> DT207
        """,
    "DT-160": """
        import numpy as np, torch
        def scores(device="cuda"):
            logits = torch.zeros(4, 10, device=device, dtype=torch.bfloat16)
            return logits.detach().cpu().numpy().astype(np.float32)  # -> DT207
        scores()
        """,
    "DT-170": """
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae", torch_dtype=torch.float16).to("cuda")
        def cache(batches):
            return [vae.encode(batch.to("cuda", vae.dtype)).latent_dist.sample() for batch in batches]  # -> DT215
        """,
    "DT-177": """
        import torch
        class StopWords:
            def __init__(self, end):
                self.end = end
            def __call__(self, size):
                scores = torch.zeros(2, size, device="cuda", dtype=torch.float16)
                scores[:, self.end] = float(2**30)  # -> DT213
                return scores
        """,
    "DT-178": """
        import torch
        def attention(scores, mask):
            least = torch.finfo(torch.float32).min
            return scores.masked_fill(mask, least)  # -> DT213
        attention(torch.zeros(1, 4, 8, 8).to(torch.bfloat16), torch.ones(8, 8).bool())
        """,
    "DT-189": """
        import torch
        from diffusers import CogVideoXPipeline
        pipe = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX1.5-5B", torch_dtype=torch.float16)  # -> DT220
        pipe.vae.enable_tiling()
        video = pipe(prompt="a panda", num_frames=81).frames[0]
        """,
    "DT-190": """
        import torch
        from diffusers import CogVideoXImageToVideoPipeline
        name = "THUDM/CogVideoX1.5-5B-I2V"
        pipe = CogVideoXImageToVideoPipeline.from_pretrained(name, torch_dtype=getattr(torch, "float16"))  # -> DT220
        pipe(image=image, prompt="it moves")
        """,
    "DT-191": """
        import torch
        from diffusers import CogVideoXTransformer3DModel
        model = CogVideoXTransformer3DModel.from_pretrained(  # -> DT220
            "zai-org/CogVideoX1.5-5B", subfolder="transformer", torch_dtype=torch.float16
        )
        """,
    "DT-192": """
        import argparse, torch
        from diffusers import CogVideoXPipeline
        def generate(prompt, path, dtype):
            pipe = CogVideoXPipeline.from_pretrained(path, torch_dtype=dtype)  # -> DT220
            return pipe(prompt=prompt).frames[0]
        parser = argparse.ArgumentParser()
        parser.add_argument("--path", default="THUDM/CogVideoX-5b")
        parser.add_argument("--dtype", default="float16")
        args = parser.parse_args()
        generate("a boat", args.path, torch.float16 if args.dtype == "float16" else torch.bfloat16)
        """,
    "DT-202": """
        import torch
        from diffusers import StableDiffusion3Pipeline
        from transformers import T5EncoderModel
        encoder = T5EncoderModel.from_pretrained("x", subfolder="text_encoder_3")
        encoder = encoder.to(dtype=torch.float16)  # -> DT205
        """,
    "DT-204": """
        import torch
        from transformers import AutoModelForCausalLM
        model = AutoModelForCausalLM.from_pretrained("google/gemma-2-27b-it", dtype=torch.float16, device_map="auto")  # -> DT220
        model.generate(**tokens, do_sample=True)
        """,
    "DT-208": """
        import torch
        from diffusers import FluxControlNetModel, FluxControlNetPipeline
        net = FluxControlNetModel.from_pretrained("InstantX/FLUX.1-dev-Controlnet-Canny", torch_dtype=torch.float32)  # -> DT201
        pipe = FluxControlNetPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", controlnet=net, torch_dtype=torch.bfloat16)
        pipe("a girl", control_image=image)
        """,
    "DT-213": """
        import torch
        def normed(x):
            variance = x.abs().mean(-1, keepdim=True)
            return x * torch.rsqrt(variance + 1e-9)  # -> DT223
        normed(torch.zeros(2, 16, device="cuda", dtype=torch.float16))
        """,
    "DT-214": """
        import torch
        from diffusers import ZImagePipeline
        pipe = ZImagePipeline.from_pretrained("Tongyi-MAI/Z-Image-Turbo", torch_dtype=torch.float16)  # -> DT206
        pipe.to("cuda")
        pipe(prompt="a market", num_inference_steps=9)
        """,
    "DT-216": """
        import torch
        from diffusers import StableDiffusionPipeline
        pipe = StableDiffusionPipeline.from_pretrained("stable-diffusion-v1-5/stable-diffusion-v1-5", torch_dtype=torch.float16)
        noise = torch.randn((1, 4, 64, 64), device="cuda")
        pipe("a pond", latents=noise)  # -> DT216
        """,
    "DT-218": """
        import torch
        from diffusers import AutoencoderKL
        weight_dtype = torch.float16
        vae = AutoencoderKL.from_pretrained("stabilityai/stable-diffusion-3-medium-diffusers", subfolder="vae")
        vae.to("cuda", dtype=torch.float32)
        def encode(count):
            pixel_values = torch.zeros(count, 3, 64, 64).to(dtype=weight_dtype)
            return vae.encode(pixel_values).latent_dist.sample()  # -> DT208
        """,
    "DT-220": """
        import torch
        from diffusers import StableDiffusionXLPipeline
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        latents = pipe("a ship", output_type="latent").images
        image = pipe.vae.decode(latents / pipe.vae.config.scaling_factor)[0]  # -> DT215
        """,
    "DT-224": """
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("stabilityai/sdxl-vae").to("cuda", torch.float32)
        with torch.no_grad(), torch.autocast("cuda"):
            latents = vae.encode(picture.float()).latent_dist.mode()  # -> DT215
        """,
    "DT-228": """
        import torch
        from transformers import CLIPTextModel
        encoder = CLIPTextModel.from_pretrained("x", subfolder="text_encoder", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(encoder.get_input_embeddings().parameters(), lr=5e-4)  # -> DT214
        """,
    "DT-241": """
        import torch
        from diffusers import StableDiffusionXLPipeline
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.vae.to(dtype=torch.float32)  # -> DT203
        pipe("a lake", callback_on_step_end=watch)
        """,
    "DT-243": """
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained("x", subfolder="scheduler")
        latents = torch.randn(2, 16, 64, 64, dtype=torch.bfloat16)
        for i, t in enumerate(scheduler.timesteps):
            timestep = t.expand(latents.shape[0]).to(latents.dtype)  # -> DT222
            noise = transformer(latents, timestep=timestep / 1000)
        """,
    "DT-244": """
        import torch
        from diffusers import WanPipeline
        class Video:
            torch_dtype = torch.bfloat16
            def __init__(self):
                self.pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", torch_dtype=self.torch_dtype)
            def denoise(self, latents):
                for timestep in self.pipe.scheduler.timesteps:
                    timestep = timestep.unsqueeze(0).to(dtype=self.torch_dtype, device="cuda")  # -> DT222
        """,
    "DT-245": """
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler
        scheduler = FlowMatchEulerDiscreteScheduler()
        def scaled(i, dtype=torch.bfloat16):
            sigma = scheduler.sigmas[i]
            return (sigma * 1000.0).to(dtype)
        timestep = scaled(3, torch.bfloat16)
        late = (scheduler.sigmas[4] * 1000.0).to(torch.bfloat16)  # -> DT222
        """,
    "DT-246": """
        import torch
        from diffusers import FlowMatchEulerDiscreteScheduler
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        for sigma in scheduler.sigmas:
            timestep = sigma.to(torch.bfloat16) * 1000  # -> DT222
        """,
    "DT-251": """
        import torch
        from diffusers import AutoencoderKL
        z = torch.randn(1, 16, 32, 32, dtype=torch.bfloat16)
        def set_timesteps(steps):
            sigmas = torch.linspace(1.0, 0.0, steps + 1, dtype=z.dtype)  # -> DT222
            return sigmas
        set_timesteps(30)
        """,
    "DT-255": """
        import torch
        from diffusers import UNet2DConditionModel
        train_dtype = {"FLOAT_16": torch.float16, "FLOAT_32": torch.float32}["FLOAT_16"]
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet", torch_dtype=train_dtype)
        optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-5)  # -> DT214
        """,
    "DT-258": """
        import argparse, torch
        from diffusers import UNet2DConditionModel
        parser = argparse.ArgumentParser()
        parser.add_argument("--full_fp16", action="store_true", default=True)
        args = parser.parse_args()
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet")
        if args.full_fp16:
            unet.to(torch.float16)
        optimizer = torch.optim.AdamW(params=unet.parameters(), lr=1e-4)  # -> DT214
        """,
    "DT-277": """
        import torch
        from diffusers import StableCascadePriorPipeline
        prior = StableCascadePriorPipeline.from_pretrained(  # -> DT206
            "stabilityai/stable-cascade-prior", torch_dtype=torch.float16
        ).to("cuda")
        prior(prompt="an owl", height=1024, width=1024)
        """,
    "DT-295": """
        import torch
        from diffusers import SanaPipeline
        pipe = SanaPipeline.from_pretrained(  # -> DT206
            "Efficient-Large-Model/Sana_1600M_1024px_diffusers", variant="fp16", torch_dtype=torch.float16
        )
        pipe.to("cuda")
        pipe("a robot")
        """,
}

FIXED = {
    # the reason, then the script, which must stay silent
    "DT-006": (
        "LTX casts the latents to the dtype of its VAE since 0.34",
        """
        import torch
        from diffusers import AutoencoderKLLTXVideo, LTXPipeline
        vae = AutoencoderKLLTXVideo.from_pretrained("Lightricks/LTX-Video", subfolder="vae", torch_dtype=torch.float32)
        pipe = LTXPipeline.from_pretrained("Lightricks/LTX-Video", vae=vae, torch_dtype=torch.bfloat16)
        pipe("waves")
        """,
    ),
    "DT-015": (
        "torch has had LayerNorm in fp16 on the CPU since 2.2",
        """
        import torch
        from transformers import CLIPTextModel
        encoder = CLIPTextModel.from_pretrained("x", torch_dtype=torch.float16).to("cpu")
        encoder(ids)
        """,
    ),
    "DT-046": (
        "peft makes the parameters of adapters fp32 since 0.11",
        """
        import torch
        from diffusers import UNet2DConditionModel
        from peft import LoraConfig, get_peft_model
        model = get_peft_model(UNet2DConditionModel.from_pretrained("x", torch_dtype=torch.float16), LoraConfig())
        scaler = torch.amp.GradScaler("cuda")
        optimizer = torch.optim.AdamW(model.parameters())
        scaler.step(optimizer)
        """,
    ),
    "DT-047": (
        "what peft documents: adapters are fp32 on purpose, with an option to leave them",
        """
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM
        base = AutoModelForCausalLM.from_pretrained("x", torch_dtype=torch.bfloat16)
        model = PeftModel.from_pretrained(base, "adapter")
        """,
    ),
    "DT-050": (
        "query, key and value of a UNet with a LoRA have one dtype under autocast (run: peft 0.21.2, diffusers 0.42.1)",
        """
        import torch
        from diffusers import StableDiffusionPipeline
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16).to("cuda")
        pipe.enable_xformers_memory_efficient_attention()
        pipe.load_lora_weights("style.safetensors", torch_dtype=torch.float16)
        with torch.autocast("cuda"):
            pipe("a cat")
        """,
    ),
    "DT-068": (
        "the losses of torch promote, and accelerate opens an autocast on the CPU",
        """
        import torch
        import torch.nn.functional as F
        prediction = torch.randn(2, 3, dtype=torch.bfloat16, requires_grad=True)
        F.mse_loss(prediction, torch.randn(2, 3)).backward()
        """,
    ),
    "DT-083": (
        "as DT-050",
        """
        import torch
        from diffusers import StableDiffusionPipeline
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16).to("cuda")
        pipe.enable_xformers_memory_efficient_attention()
        with torch.autocast("cuda"):
            pipe("a dog")
        """,
    ),
    "DT-088": (
        "peft gives back the dtype of the layer it sits on, with and without autocast (run: peft 0.21.2)",
        """
        import torch
        from diffusers import DiffusionPipeline
        pipe = DiffusionPipeline.from_pretrained("segmind/SSD-1B", torch_dtype=torch.float16).to("cuda")
        pipe.load_lora_weights("out")
        pipe.enable_xformers_memory_efficient_attention()
        pipe("a fox")
        """,
    ),
    "DT-130": (
        "a kernel of MPS in torch 2.0",
        """
        import torch
        from diffusers import StableDiffusionPipeline
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.float16).to("mps")
        pipe("a cat")
        """,
    ),
    "DT-131": (
        "as DT-130, by a flag of ComfyUI",
        """
        import torch
        from diffusers import StableDiffusionXLPipeline
        pipe = StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0", torch_dtype=torch.float16)
        pipe.to("mps")
        pipe("a cat")
        """,
    ),
    "DT-152": (
        "diffusers takes peft's cast of inputs away under layerwise casting since 0.33",
        """
        import torch
        from diffusers import FluxPipeline
        pipe = FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev", torch_dtype=torch.bfloat16)
        pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
        pipe.load_lora_weights("style.safetensors")
        pipe("a cat")
        """,
    ),
    "DT-161": (
        "FreeU casts to fp32 around its Fourier transform since 0.32",
        """
        import torch
        from diffusers import StableDiffusionPipeline
        pipe = StableDiffusionPipeline.from_pretrained("x", torch_dtype=torch.bfloat16)
        pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
        pipe("a cat")
        """,
    ),
    "DT-162": (
        "the processor of transformers 5 takes a bf16 tensor (run: with torchvision 0.28; its fallback without it refuses)",
        """
        import torch
        from diffusers import StableCascadeCombinedPipeline
        pipe = StableCascadeCombinedPipeline.from_pretrained("stabilityai/stable-cascade", torch_dtype=torch.bfloat16)
        picture = torch.rand(3, 512, 512).to("cuda", torch.bfloat16)
        pipe("a fox", images=[picture])
        """,
    ),
    "DT-179": (
        "torch.where takes any number by now and saturates, which is what a mask wants (run: torch 2.13)",
        """
        import torch
        scores = torch.zeros(2, 8, 8, dtype=torch.float16)
        masked = torch.where(torch.ones(8, 8).bool(), scores, -2.3819763e38)
        """,
    ),
    "DT-181": (
        "mse_loss promotes, and its backward takes two dtypes (run: torch 2.13)",
        """
        import torch
        import torch.nn.functional as F
        output = torch.randn(4, 3, dtype=torch.float16, requires_grad=True)
        loss = F.mse_loss(output, torch.randn(4, 3))
        loss.backward()
        """,
    ),
    "DT-185": (
        "torch multiplies and convolves fp16 on the CPU by now (run: torch 2.13)",
        """
        import torch
        from transformers import AutoModel
        model = AutoModel.from_pretrained("x", torch_dtype=torch.float16).to("cpu")
        model(ids)
        """,
    ),
    "DT-259": (
        "AudioLDM gives its sound in fp32 since 0.16",
        """
        import torch, scipy
        from diffusers import AudioLDMPipeline
        pipe = AudioLDMPipeline.from_pretrained("cvssp/audioldm-s-full-v2", torch_dtype=torch.float16)
        sound = pipe("rain").audios[0]
        scipy.io.wavfile.write("rain.wav", rate=16000, data=sound)
        """,
    ),
}

ELSEWHERE = {
    "DT-101": "a model class of its own project, in none of the pinned libraries",
    "DT-112": "the cause was never proven: fp8 storage together with streamed offloading",
    "DT-120": "a flag of ComfyUI (fp16 accumulation); the same model in fp16 is DT-100",
    "DT-149": "a dtype written down in a loader of ComfyUI, for weights packed by its own code",
    "DT-206": "the cause was never proven; the base of that checkpoint was published in fp16",
    "DT-249": "a float compared for equality: it is the number that fails, in fp32 too",
    "DT-273": "vLLM's own kernels",
    "DT-279": "OpenVINO's own choice of a dtype, in no argument of the script",
    "DT-291": "a layer of open_clip, which is none of the pinned libraries",
}

NEAR = {
    # what looks like one of the bugs above and runs
    "a packed model is moved, not cast": """
        import torch
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
        model = AutoModelForCausalLM.from_pretrained("x", quantization_config=config, dtype=torch.bfloat16).to("cuda")
        """,
    "a model that may or may not be packed": """
        import torch
        from diffusers import FluxTransformer2DModel
        model = FluxTransformer2DModel.from_pretrained("x", quantization_config=choose(), torch_dtype=torch.bfloat16)
        model.half()
        """,
    "the repository's name alone says that it is packed": """
        import torch
        from diffusers import FluxTransformer2DModel
        model = FluxTransformer2DModel.from_pretrained("x/flux-nf4", torch_dtype=torch.bfloat16).to(torch.float16)
        """,
    "a part of a pipeline that packs others": """
        import torch
        from diffusers import FluxPipeline, PipelineQuantizationConfig
        config = PipelineQuantizationConfig(quant_backend="bitsandbytes_4bit", components_to_quantize=["transformer"])
        pipe = FluxPipeline.from_pretrained("x", quantization_config=config, torch_dtype=torch.bfloat16)
        pipe.vae.to(torch.bfloat16)
        """,
    "a class that casts what it is given": """
        import torch
        from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection
        processor = CLIPImageProcessor.from_pretrained("x")
        model = CLIPVisionModelWithProjection.from_pretrained("x", torch_dtype=torch.float16)
        model(**processor(picture, return_tensors="pt"))
        """,
    "features that were cast": """
        import torch
        from transformers import AutoProcessor, WhisperForConditionalGeneration
        processor = AutoProcessor.from_pretrained("openai/whisper-large-v3")
        model = WhisperForConditionalGeneration.from_pretrained("openai/whisper-large-v3")
        features = processor(sound, return_tensors="pt").to("cuda", dtype=model.dtype)
        model.generate(features.input_features, attention_mask=features["attention_mask"])
        """,
    "the ids of a processor are no floats": """
        import torch
        from transformers import AutoProcessor, WhisperForConditionalGeneration
        processor = AutoProcessor.from_pretrained("openai/whisper-large-v3")
        model = WhisperForConditionalGeneration.from_pretrained("openai/whisper-large-v3", dtype=torch.float16)
        model.generate(processor(sound).input_ids)
        """,
    "a loop that casts back": """
        import torch
        from diffusers import SD3Transformer2DModel
        model = SD3Transformer2DModel.from_pretrained("x", torch_dtype=torch.float16)
        latents = torch.randn(1, 16, 64, 64, dtype=torch.float16)
        for t in steps:
            noise = model(hidden_states=latents, timestep=t)[0]
            wide = latents.float() - 0.1 * noise
            latents = wide.to(model.dtype)
        """,
    "the dtype of both hangs on the same thing": """
        import torch
        from diffusers import UNet2DConditionModel
        dtype = torch.float16 if torch.cuda.is_available() else torch.float32
        unet = UNet2DConditionModel.from_pretrained("x", subfolder="unet", torch_dtype=dtype)
        unet(torch.randn(1, 4, 64, 64, dtype=dtype), 1, encoder_hidden_states=torch.zeros(1, 77, 768).to(dtype))
        """,
    "a bool mask, an fp32 mask, and a mask under autocast": """
        import torch
        import torch.nn.functional as F
        q = torch.randn(1, 8, 64, 64).half()
        F.scaled_dot_product_attention(q, q, q, attn_mask=torch.ones(64, 64, dtype=torch.bool))
        F.scaled_dot_product_attention(q, q, q, attn_mask=torch.zeros(64, 64))
        with torch.autocast("cuda"):
            F.scaled_dot_product_attention(q, q, q, attn_mask=torch.zeros(64, 64).bfloat16())
        """,
    "a checkpoint in the dtype it was published for, or in fp32": """
        import torch
        from diffusers import CogVideoXPipeline, SanaPipeline
        film = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX-5b", torch_dtype=torch.bfloat16)
        wide = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX-5b", torch_dtype=torch.float32)
        small = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX-2b", torch_dtype=torch.float16)
        paint = SanaPipeline.from_pretrained("Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", torch_dtype=torch.bfloat16)
        """,
    "the VAE of such a checkpoint alone": """
        import torch
        from diffusers import AutoencoderKLCogVideoX
        vae = AutoencoderKLCogVideoX.from_pretrained("THUDM/CogVideoX-5b", subfolder="vae", torch_dtype=torch.float16)
        """,
    "T5 under bf16, outside an autocast, and under one that is switched off": """
        import torch
        from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, T5ForConditionalGeneration
        model = T5ForConditionalGeneration.from_pretrained("google/t5-v1_1-base")
        model(ids)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            model(ids)
        with torch.autocast("cuda", enabled=False):
            model(ids)
        Seq2SeqTrainer(model=model, args=Seq2SeqTrainingArguments("out", bf16=True))
        """,
    "numbers that fp16 holds, and fp32 around a small one": """
        import torch
        x = torch.zeros(4, 4, dtype=torch.float16)
        x[0] = 65504.0
        x[1] = float("-inf")
        y = x + 1e-5
        z = torch.rsqrt(x.float() + 1e-9).to(x.dtype)
        full = torch.full((2, 2), torch.finfo(torch.float16).min, dtype=torch.float16)
        """,
    "fp8 weights that a layer casts": """
        import torch
        from diffusers import WanTransformer3DModel
        model = WanTransformer3DModel.from_pretrained("x", torch_dtype=torch.bfloat16)
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
        model(hidden_states=torch.randn(1, 16, 1, 8, 8, dtype=torch.bfloat16), timestep=t, encoder_hidden_states=embeds)
        """,
    "the integer formats of torchao in bf16": """
        import torch
        from diffusers import FluxTransformer2DModel, TorchAoConfig
        from torchao.quantization import Int8WeightOnlyConfig
        config = TorchAoConfig(Int8WeightOnlyConfig())
        model = FluxTransformer2DModel.from_pretrained("x", quantization_config=config, torch_dtype=torch.bfloat16)
        """,
}
