"""A table of rotary positions was computed or stored in half: far positions fall together."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, component_of, half_of, more, place


class RotaryInHalf(Rule):
    """A table of rotary positions (inv_freq, freqs) was computed or stored in half, where the library keeps it in float32.

    The angle of a position is the position times a frequency. bf16 tells whole numbers apart up to 256 and fp16 up to 2,048,
    and rounds a frequency by up to 0.2 or 0.02 percent: far from the beginning neighbours get the same or a wrong angle. A cast after loading (`.half()`, `.to(dtype)`) does that to the buffers. A
    warning where the class's keep-in-fp32 list names the table, a note elsewhere.

    ```bad
    $ --dtype bfloat16
    config.json: {"_class_name": "WanTransformer3DModel"}
    diffusion_pytorch_model.safetensors: proj_out.weight F32 4x4
    run: runs on cuda
    event: rotary rope mul BF16->BF16
    ```

    ```good
    run: runs on cuda
    event: rotary transformer.rope mul BF16->BF16 | by design
    ```

    ```good
    run: runs on cuda
    event: promoted transformer.rope mul BF16+F32->F32 | by transformer.rope.freqs
    ```
    """

    code = "DT304"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such table."""
        for name, events in by_component(run, "rotary"):
            yield self._tell(run, name, events, known)

    def _tell(self, run: Run, name: str, events: list[Event], known: Knowledge) -> Finding:
        first = events[0]
        dtype = half_of(first)
        component = component_of(run, first.module)
        rows = known.rows("keep_in_fp32", component.klass or "") if component else ()
        row = next((row for row in rows if _names(row, first.module)), None)
        severity: Severity = "warning" if row else "note"
        return self.finding(
            place(run, first.module),
            f"{first.module}{more(len(events) - 1)} computes positions in {dtype.short}, "
            f"which tells whole numbers apart only up to {2 ** (dtype.mantissa + 1):,}",
            severity=severity,
            because=f"{component.klass} keeps it in fp32" if row and component else "",
            fix=Fix(f"leave out .to({dtype.torch}) or .half() after loading, or put the table back into float32"),
            source=dtype.name,
            component=component.name if component else name,
        )


def _names(row: Row, module: str) -> bool:
    """True when the keep list names a part that this module lies in."""
    parts = set(module.split("."))
    return any(name.strip(".*") in parts for name in (*row.get("keep", ()), *row.get("keep_strict", ())))
