"""A VAE is called by hand with a tensor of another dtype than its own."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs, words
from ...subjects.scripts import Call, Thing

_LAYERS = {"decode": "decoder", "encode": "encoder"}


class VaeGivenOtherDtype(Rule):
    """`vae.decode(latents)` or `vae.encode(image)` is given a tensor of another dtype than the VAE has.

    The pipelines cast, or not, inside their own code; who calls the VAE has to cast himself. A convolution takes no two dtypes.
    Silent inside autocast, where they are made one.

    ```bad
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")
        latents = torch.randn(1, 4, 64, 64).half()
        image = vae.decode(latents / vae.config.scaling_factor).sample
    ```

    ```bad
    encode.py: |
        import torch
        from diffusers import StableDiffusionPipeline

        pipe = StableDiffusionPipeline.from_pretrained("runwayml/stable-diffusion-v1-5", torch_dtype=torch.float16)
        latents = pipe.vae.encode(torch.zeros(1, 3, 512, 512)).latent_dist.sample()
    ```

    ```good
    decode.py: |
        import torch
        from diffusers import AutoencoderKL

        vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse")
        latents = torch.randn(1, 4, 64, 64).half()
        image = vae.decode(latents.to(vae.dtype)).sample
        with torch.autocast("cuda"):
            image = vae.decode(latents).sample
    ```
    """

    code = "DT208"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call in whose every case the two dtypes are known to differ in some."""
        vae, given = call.target, call.argument("z", "x", "sample", "latents", position=0)
        if (
            call.means not in _LAYERS
            or vae is None
            or given is None
            or call.around
            or vae.flags & {"touched", "prepared", "quantised"}
        ):
            return
        tensor = given.value.single
        if (
            not isinstance(tensor, Thing)
            or tensor.kind != "tensor"
            or any(row.get("casts_own_input") for row in known.rows("models", vae.klass or ""))
        ):
            return
        for case, has, got in pairs(vae.dtype, tensor.dtype):
            wide = isinstance(has, DType) and isinstance(got, DType) and has.is_wide and got.is_wide
            if not wide or has is got or len({subject for subject, _, _ in case - call.case}) > 1:
                continue
            when = f" (when {words(case - call.case)})" if case - call.case else ""
            maker = call.script.call(tensor.caster if tensor.caster is not None else tensor.loader)
            name = call.script.text(given.inner)
            yield self.finding(
                call.where,
                f"{vae.label} is {has.short} and is given {got.short}: {call.means} fails in its {_LAYERS[call.means]}{when}",
                against=maker.where if maker and maker.where != call.where else None,
                says="Input type and bias type should be the same",
                fix=Fix(f"cast it: {name if name.isidentifier() else 'the tensor'}.to({vae.label}.dtype)"),
                source=call.source,
            )
            return
