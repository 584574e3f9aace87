"""A class is loaded in a dtype that is documented to be bad for it."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, F16, DType
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component
from ...subjects.scripts import Script
from ..clashes import condition
from ..files.dtype_documented_bad import in_words as said
from ..held import held
from ..support import facts, severity, why
from ..what_if import upcasts


class DtypeBadForClass(Rule):
    """A part of a pipeline is loaded in a dtype that is documented, or confirmed in public reports, to give NaN or black for its class.

    What is known of the class alone, for a model whose files nobody looked at. VAEs that overflow in fp16 are included where the
    pipeline does not run them in fp32 by itself.

    ```bad
    serve.py: |
        import torch
        from diffusers import StableCascadePriorPipeline

        prior = StableCascadePriorPipeline.from_pretrained("stabilityai/stable-cascade-prior", torch_dtype=torch.float16)
        prior("a cat")
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import StableCascadePriorPipeline

        prior = StableCascadePriorPipeline.from_pretrained("stabilityai/stable-cascade-prior", torch_dtype=torch.bfloat16)
        prior("a cat")
    ```
    """

    code = "DT206"
    severity = "warning"

    def check(self, script: Script, known: Knowledge) -> Iterator[Finding]:
        """One finding for each call that chose the dtype, and part."""
        told: set[tuple[int | None, str]] = set()
        for state in held(script, known):
            for component in state.pipeline.components:
                found = _bad(component, known)
                part = state.parts.get(component.name)
                chose = part.caster if part and part.caster is not None else (part or state.thing).loader
                chose = state.thing.caster if part is None and state.thing.caster is not None else chose
                if found is None or (chose, component.name) in told:
                    continue
                told.add((chose, component.name))
                row, dtype, worst = found
                because, listed = why(row, dtype), known.row("hub", part.repo.text or "") if part is not None else {}
                if worst == "note" and dtype.name in listed.get("overflows", ()):
                    worst, because = "warning", listed["why"]  # the very weights, not only a config like theirs
                call = script.call(chose)
                if call is None:
                    continue
                yield self.finding(
                    call.where,
                    f"{component.described} of {state.thing.klass} is in {dtype.short}, which is {said(row, dtype, worst)}{condition(state)}",
                    severity=worst,
                    because=because,
                    fix=Fix(row["fix"][0]) if row.get("fix") else None,
                    alternatives=tuple(row.get("fix", ())[1:2]),
                    source=call.source,
                    component=component.name,
                )


def _bad(component: Component, known: Knowledge) -> tuple[Row, DType, Severity] | None:
    """The row that speaks against the dtype of a component, and how badly; None where nothing does."""
    dtype = component.loads().dtype
    if dtype is None or component.quantised is not None or component.role == "safety_checker":
        return None
    row = facts(component, known)
    worst = severity(row, dtype)
    if worst not in ("error", "warning") or (component.role == "vae" and dtype is F16 and _may_upcast(component, known)):
        return None
    if "stored" in row or row.get("by_config_only"):
        return None
    evidence = str(row.get("bf16_evidence" if dtype is BF16 else "evidence", ""))
    return row, dtype, worst if worst == "error" or evidence.startswith(("documented", "issue_report")) else "note"


def _may_upcast(vae: Component, known: Knowledge) -> bool:
    """True where the pipeline runs the VAE in fp32 by itself, or would if its config, which nobody looked at, says force_upcast."""
    decode = known.row("pipelines", vae.pipeline.klass or "").get("decode", "unknown")
    return upcasts(vae, known) or (vae.config is None and "upcast" in decode.split("+"))
