"""An optimizer is given fp16 parameters to train."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import words
from ...subjects.scripts import Call, Thing, content


class HalfParametersTrained(Rule):
    """An optimizer is given the parameters of a model that is fp16.

    Without parameters in fp32 behind them, small updates are lost, and the `eps` of Adam, 1e-8, is 0 in fp16: the first gradient of
    0 gives NaN. Under accelerate's fp16 the step is refused: "Attempting to unscale FP16 gradients." Silent for bf16, which many
    train in, and where adapters were added.

    ```bad
    train.py: |
        import torch
        from transformers import CLIPTextModel

        encoder = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.float16)
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4)
    ```

    ```good
    train.py: |
        import torch
        from transformers import CLIPTextModel

        encoder = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.float16).float()
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-4)
        other = CLIPTextModel.from_pretrained("openai/clip-vit-large-patch14", torch_dtype=torch.bfloat16)
        more = torch.optim.AdamW(other.parameters(), lr=1e-4)
    ```
    """

    code = "DT214"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for an optimizer."""
        given = call.argument("params", position=0)
        parameters = content(given.value) if call.means == "optimizer" and given else None
        model = parameters.part("of") if isinstance(parameters, Thing) else None
        if model is None or model.flags & {"touched", "adapted", "prepared", "quantised"}:
            return
        case = next((case for case, dtype in model.dtype.dtypes() if dtype is F16), None)
        if case is None:
            return
        when = f" (when {words(frozenset(sorted(case - call.case)[:2]))})" if case - call.case else ""
        maker = call.script.call(model.caster if model.caster is not None else model.loader)
        yield self.finding(
            call.where,
            f"{call.what.rpartition('.')[2]} trains the fp16 parameters of {model.label}{when}",
            against=maker.where if maker else None,
            because="fp16 parameters lose small updates, and an eps of 1e-8 is 0 in fp16",
            fix=Fix(f"keep {model.label} in fp32 and train under torch.autocast, or train it in bf16"),
            source=call.source,
        )
