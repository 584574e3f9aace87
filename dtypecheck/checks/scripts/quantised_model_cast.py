"""A quantised model is cast to another dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call, Thing, content
from ..told import maker

_REFUSED = (".half", ".float")
_BY_TO = {"BitsAndBytesConfig": "bitsandbytes", "GPTQConfig": "GPTQ"}


class QuantisedModelCast(Rule):
    """`.half()`, `.float()` or `.to(dtype)` on a model that was loaded with a quantisation config raises a ValueError.

    Packed weights have no dtype that could be changed; that of the other layers is named where the model is loaded. `.to(device)` is
    fine, and `.bfloat16()` is let through by both libraries. transformers lets `.to(dtype)` through for some formats.

    ```bad
    serve.py: |
        import torch
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        config = BitsAndBytesConfig(load_in_4bit=True)
        model = AutoModelForCausalLM.from_pretrained("google/gemma-2-2b", quantization_config=config)
        model.to(torch.float16)
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import BitsAndBytesConfig, FluxTransformer2DModel

        config = BitsAndBytesConfig(load_in_8bit=True)
        model = FluxTransformer2DModel.from_pretrained("x", subfolder="transformer", quantization_config=config).half()
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import BitsAndBytesConfig, FluxTransformer2DModel

        config = BitsAndBytesConfig(load_in_8bit=True)
        model = FluxTransformer2DModel.from_pretrained(
            "x", subfolder="transformer", quantization_config=config, torch_dtype=torch.float16
        ).to("cuda")
    ```
    """

    code = "DT217"
    severity = "error"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a cast."""
        model = call.target
        if call.means != "cast" or not call.sure or model is None or model.kind != "model" or "touched" in model.flags:
            return
        loader = call.script.call(model.loader)
        given = loader.argument("quantization_config") if loader else None
        config = content(given.value) if given else None
        if loader is None or loader.result is None or loader.result.kind != "model":
            return  # of a pipeline only some parts are packed
        if not isinstance(config, Thing) or config.kind != "quantiser" or model.library not in _LIBRARIES:
            return
        says = _LIBRARIES[model.library].get(call.what)
        if says is None or (call.what == ".to" and model.library == "transformers" and config.klass not in _BY_TO):
            return
        yield self.finding(
            call.where,
            f"{model.label} is packed by {config.klass}, and a packed model cannot be cast with {call.what}",
            against=maker(config, call),
            says=f"ValueError: {says.format(_BY_TO.get(config.klass or '', ''))}",
            fix=Fix("name the dtype where it is loaded, from_pretrained(..., torch_dtype=...), and do not cast"),
            source=call.source,
        )


_SAID = {what: f"`{what}()` is not supported for quantized model." for what in _REFUSED}
_LIBRARIES = {
    "diffusers": _SAID | {".to": "Casting a quantized model to a new `dtype` is unsupported."},
    "transformers": _SAID | {".to": "You cannot cast a {} model in a new `dtype`."},
}
