"""A GradScaler works on gradients of half parameters: it wants float32 ones."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, code_line, half_of, more, place


class ScalerOnHalf(Rule):
    """A GradScaler is used on half parameters: it is made for float32 parameters whose forward pass autocast runs in fp16.

    On fp16 gradients it raises "Attempting to unscale FP16 gradients.", as soon as it unscales them. bf16 has the range of
    float32 and needs no scaling. LoRA layers take the dtype of the model they are put into, so they too are often in half.

    ```bad
    run: watched runs on cuda
    event: scaler unet.lora_A GradScaler F16 | by train.py:31
    ```

    ```good
    run: watched runs on cuda
    event: scaler unet.lora_A GradScaler F16 | by design
    ```

    ```good
    run: watched crashes on cuda
    crash: - GradScaler.unscale_ | says Attempting to unscale FP16 gradients.
    event: scaler unet.lora_A GradScaler F16
    ```
    """

    code = "DT316"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component; none where the run crashed of it, which is told as that."""
        if run.crash and "unscale" in run.crash.message:
            return
        for name, events in by_component(run, "scaler"):
            yield self._tell(run, name, events)

    def _tell(self, run: Run, name: str, events: list[Event]) -> Finding:
        first = events[0]
        dtype = half_of(first)
        raises = dtype is F16
        return self.finding(
            place(run, first.module),
            f"a GradScaler steps {dtype.short} parameters: {first.module}{more(len(events) - 1)}",
            against=code_line(first.by),
            because="unscaling fp16 gradients raises an error" if raises else "bf16 has the range of fp32 and needs no scaling",
            says="Attempting to unscale FP16 gradients." if raises else "",
            fix=Fix(
                "keep what is trained in float32 and run the forward pass in torch.autocast: "
                "for parameter in trained: parameter.data = parameter.data.float()"
                if raises
                else "leave the GradScaler out"
            ),
            source=dtype.name,
            component=name,
        )
