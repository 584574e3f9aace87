"""A model is called by hand with a tensor of another dtype than its own."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects.cases import pairs
from ...subjects.scripts import Argument, Call, Thing, content
from ..told import maker, two_questions, when


class ModelGivenOtherDtype(Rule):
    """A model is called by hand with a tensor of another dtype than it has, which its first layer does not cast.

    A loop of one's own has to cast what it makes: latents that became fp32 in a step of the sampler, or the features of a processor,
    which are fp32 whatever the model is. transformers 5 loads a model in the dtype of its config without being asked. Silent under
    autocast, and for models that cast what they are given (the image encoders of CLIP).

    ```bad
    hear.py: |
        import torch
        from transformers import AutoProcessor, WhisperForConditionalGeneration

        processor = AutoProcessor.from_pretrained("openai/whisper-large-v3")
        model = WhisperForConditionalGeneration.from_pretrained("openai/whisper-large-v3")
        features = processor(audio, return_tensors="pt").to("cuda")
        model.generate(**features)
    ```

    ```bad
    loop.py: |
        import torch
        from diffusers import SD3Transformer2DModel

        model = SD3Transformer2DModel.from_pretrained("x", subfolder="transformer", torch_dtype=torch.float16)
        latents = torch.randn(1, 16, 128, 128)
        noise = model(hidden_states=latents, timestep=t, encoder_hidden_states=embeds)
    ```

    ```good
    loop.py: |
        import torch
        from diffusers import SD3Transformer2DModel
        from transformers import AutoProcessor, WhisperForConditionalGeneration

        model = SD3Transformer2DModel.from_pretrained("x", subfolder="transformer", torch_dtype=torch.float16)
        latents = torch.randn(1, 16, 128, 128)
        noise = model(hidden_states=latents.to(model.dtype), timestep=t, encoder_hidden_states=embeds)
        with torch.autocast("cuda"):
            noise = model(hidden_states=latents, timestep=t, encoder_hidden_states=embeds)
        processor = AutoProcessor.from_pretrained("openai/whisper-large-v3")
        ears = WhisperForConditionalGeneration.from_pretrained("openai/whisper-large-v3")
        ears.generate(**processor(audio, return_tensors="pt").to("cuda", torch.float16))
    ```
    """

    code = "DT218"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call, about the first argument that differs."""
        model = call.target
        if call.means != "forward" or model is None or call.around or model.flags & _UNSURE:
            return
        row = _row(model.klass or "", known)
        for name, position in row.get("arguments", {}).items():
            argument = call.argument(name, position=position) or _features(call)
            tensor = content(argument.value) if argument else None
            if not isinstance(tensor, Thing) or tensor.kind not in ("tensor", "features"):
                continue
            for case, has, got in pairs(model.dtype, tensor.dtype):
                wide = isinstance(has, DType) and isinstance(got, DType) and has.is_wide and got.is_wide
                if not wide or has is got or two_questions(case, call):
                    continue
                yield self.finding(
                    call.where,
                    f"{model.label} ({model.klass}) is {has.short} and is given {name} in {got.short}{when(case, call)}",
                    against=maker(tensor, call) or maker(model, call),
                    because=row["why"],
                    fix=Fix(f"cast it: .to({model.label}.dtype)"),
                    source=call.source,
                )
                return


_UNSURE = {"touched", "prepared", "quantised", "adapted", "layerwise"}


def _features(call: Call) -> Argument | None:
    """What a processor made, where the call takes all of it: model(**features)."""
    found = [argument for argument in call.arguments if argument.name == "**"]
    thing = content(found[0].value) if len(found) == 1 else None
    return found[0] if isinstance(thing, Thing) and thing.kind == "features" else None


def _row(klass: str, known: Knowledge) -> Row:
    return next((row for header, row in known.all("inputs") if klass == header or klass in row.get("names", ())), {})
