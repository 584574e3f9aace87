"""A VAE ran inside autocast, which takes its convolutions to half whatever its weights are."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import by_component, component_of, half_of, more, place
from ..support import facts, severity, why


class HalfVaeUnderAutocast(Rule):
    """A VAE ran inside torch.autocast, which takes its convolutions to half even where the VAE is in float32.

    Pipelines upcast a VAE that overflows in fp16 to float32 while it decodes. Inside autocast that does not help: each
    convolution casts weights and input back to half. The severity is what is documented for the VAE in that dtype: a note
    where it is known to do, a warning where nothing is known.

    ```bad
    run: watched runs on cuda
    event: autocast vae.decoder.conv_in conv2d F32->F16
    ```

    ```good
    run: watched runs on cuda
    event: autocast vae.decoder.conv_in conv2d F32->F16 | by design
    ```

    ```good
    run: runs on cuda
    event: island vae.decoder.conv_norm_out group_norm F16->F16
    ```
    """

    code = "DT305"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first operator."""
        for name, events in by_component(run, "autocast"):
            yield self._tell(run, name, events, known)

    def _tell(self, run: Run, name: str, events: list[Event], known: Knowledge) -> Finding:
        first = events[0]
        dtype = half_of(first)
        component = component_of(run, first.module)
        row = facts(component, known) if component else {}
        said: Severity | None = "note" if row.get(dtype.name) == "ok" else severity(row, dtype)
        kind = known.row("devices", run.device).get("kind", run.device)
        return self.finding(
            place(run, first.module),
            f"autocast runs {first.module}{more(len(events) - 1)} in {dtype.short}, whatever dtype the {name} is in",
            severity=said or "warning",
            because=why(row, dtype) if said else "",
            fix=Fix(f'decode outside of autocast: with torch.autocast("{kind}", enabled=False): ...'),
            source=dtype.name,
            component=name,
        )
