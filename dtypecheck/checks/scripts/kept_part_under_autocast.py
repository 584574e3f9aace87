"""A model whose class keeps parts in fp32 is run or trained under an fp16 autocast, which runs them in fp16 all the same."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list
from ...rule import Rule
from ...subjects import Component, Request
from ...subjects.cases import Value
from ...subjects.scripts import Call, Thing, content
from ..told import maker


class KeptPartUnderAutocast(Rule):
    """A model whose class keeps parts in fp32 runs under an fp16 autocast, which takes no notice of that.

    from_pretrained leaves `wo` of T5 in fp32 because its results leave the range of fp16; autocast runs it in fp16 whatever dtype it
    has, and the embeddings or the loss become NaN. So does a Trainer with `fp16=True`, and accelerate with mixed_precision="fp16".
    Silent for bf16.

    ```bad
    encode.py: |
        import torch
        from transformers import T5EncoderModel

        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl")
        with torch.autocast("cuda", dtype=torch.float16):
            embeds = encoder(ids).last_hidden_state
    ```

    ```bad
    train.py: |
        from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, T5ForConditionalGeneration

        model = T5ForConditionalGeneration.from_pretrained("google/t5-v1_1-base")
        trainer = Seq2SeqTrainer(model=model, args=Seq2SeqTrainingArguments("out", fp16=True))
    ```

    ```good
    encode.py: |
        import torch
        from transformers import CLIPTextModel, T5EncoderModel

        encoder = T5EncoderModel.from_pretrained("google/t5-v1_1-xxl", torch_dtype=torch.float16)
        other = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14")
        with torch.autocast("cuda"):
            embeds = other(ids).last_hidden_state
        with torch.autocast("cuda", dtype=torch.bfloat16):
            embeds = encoder(ids).last_hidden_state
        embeds = encoder(ids).last_hidden_state
    ```
    """

    code = "DT221"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for each model of a call that runs or trains it."""
        region, values = _region(call)
        if region is None or region.dtype.dtype is not F16:
            return
        for value in values:
            model = value.single
            if not isinstance(model, Thing) or model.kind != "model" or model.library != "transformers" or not model.klass:
                continue
            component = Component(model.name, "", model.klass, model.library, "other")
            names = keep_list(component, F16, Request(), known)
            if not names or "quantised" in model.flags:
                continue
            yield self.finding(
                call.where,
                f"{model.label} ({model.klass}) runs under an fp16 autocast, {', '.join(names)} too, which its class keeps in fp32",
                against=maker(region, call),
                because="autocast runs every matrix product in its dtype, whatever dtype the weights are kept in",
                fix=Fix("run it in bf16, or outside the autocast: torch.autocast(..., enabled=False)"),
                source=call.source,
            )


def _region(call: Call) -> tuple[Thing | None, tuple[Value, ...]]:
    """What chooses the dtype of a call, and the models it is chosen for."""
    given = tuple(argument.value for argument in call.arguments)
    if call.means == "prepare":
        return call.target, given
    if call.means == "trainer":
        model, chosen = call.argument("model", position=0), call.argument("args", position=1)
        thing = content(chosen.value) if chosen else None
        return (thing if isinstance(thing, Thing) else None), ((model.value,) if model else ())
    if call.means == "forward" and call.around and call.target is not None:
        region = call.around[-1]
        on = content(region.fields.get("enabled")) is True
        return (region if on else None), (Value(((call.case, call.target),)),)
    return None, ()
