"""One module holds parameters in several dtypes: a cast stopped half-way, or something was loaded into it."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, code_line, more, place
from ..words import listed


class MixedParameters(Rule):
    """The parameters of one module are in several dtypes: a weight in half and its bias in float32, or the like.

    Most operators refuse that, others promote and go on in float32. It comes of a cast that reached some parameters only, of a
    checkpoint whose tensors differ, or of a parameter that was put in by hand. What a library keeps so by design (a norm that
    is float32 as a whole, adapters, packed weights) is not meant.

    ```bad
    run: watched runs on cuda
    event: mixed unet.conv_in - F16+F32
    ```

    ```good
    run: watched runs on cuda
    event: mixed unet.conv_in - F16+F32 | by design
    ```

    ```good
    run: watched runs on cuda
    event: island unet.norm layer_norm F16->F16
    ```
    """

    code = "DT314"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such module."""
        told = {operand.component for operand in run.crash.operands} if run.crash else set()
        crashed = run.crash.module if run.crash else None
        for name, events in by_component(run, "mixed"):
            left = [event for event in events if event.module != crashed]  # the crash itself tells that one
            if left:
                yield self._tell(run, name, left, name in told)

    def _tell(self, run: Run, name: str, events: list[Event], crashed: bool) -> Finding:
        first = events[0]
        main = next((dtype for dtype in first.dtypes if dtype.is_half), first.dtypes[0] if first.dtypes else None)
        holds = listed(dtype.short for dtype in first.dtypes) or "several dtypes"
        to = f".to(torch.{main.torch})" if main else ""
        return self.finding(
            place(run, first.module),
            f"{first.module}{more(len(events) - 1)} {'holds' if len(events) == 1 else 'hold'} parameters in {holds}",
            against=code_line(first.by),
            because=f"made so by {first.by}" if first.by else "",
            fix=Fix(f"bring its parameters into one dtype: {first.module}{to}") if not crashed and first.module else None,
            source=" ".join(dtype.name for dtype in first.dtypes),
            component=name,
        )
