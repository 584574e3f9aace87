"""A class or checkpoint is loaded in a dtype that is said to give NaN, black pictures or worse results for it."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BF16, DType
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects import Component
from ..support import facts, layers, severity, why

SAID = {
    "documented": "not the dtype that is documented for it",
    "issue_report": "reported bad for it",
    "peer_excludes": "left out for it by other tools",
    "code_reading": "a risk by the look of its code",
}


class DtypeDocumentedBad(Rule):
    """The dtype asked for is documented to be bad for this class or checkpoint.

    An error when the authors, a library's documentation or a confirmed public report say that it gives NaN or black; a
    warning when another tool leaves the dtype out for this model, or when only the code says so; a note for the rest.
    Without a dtype asked for it is a warning at most. VAEs are DT107's, because many pipelines run them in float32 by
    themselves; a part that the library keeps in float32 by design is silent.

    ```bad
    $ --dtype float16
    config.json: {"architectures": ["Gemma2Model"], "dtype": "bfloat16"}
    model.safetensors: layers.0.mlp.down_proj.weight BF16 4x4
    ```

    ```good
    $ --dtype bfloat16
    config.json: {"architectures": ["Gemma2Model"], "dtype": "bfloat16"}
    model.safetensors: layers.0.mlp.down_proj.weight BF16 4x4
    ```
    """

    code = "DT106"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """At most one finding a component."""
        load = component.loads()
        if load.dtype is None or load.claim is None or component.role == "vae" or load.patterns or component.quantised:
            return
        row = facts(component, known)
        worst = severity(row, load.dtype)
        if worst is None:
            return
        if not component.pipeline.request.dtypes and worst == "error":
            worst = "warning"
        named = layers(component, row)
        first = f", first in {named[0]} ({len(named)} such layers)" if named else ""
        verb = "is loaded" if component.pipeline.request.dtypes else "would be loaded without a dtype"
        yield self.finding(
            component.loaded_from,
            f"{component.described} {verb} in {load.dtype.short}, which is {in_words(row, load.dtype, worst)}{first}",
            severity=worst,
            against=load.claim.where if load.claim.by == "declares" else None,
            because=why(row, load.dtype),
            fix=Fix(row["fix"][0]) if row.get("fix") else None,
            alternatives=tuple(row.get("fix", ())[1:2]),
            source=f"{component.klass} {load.dtype.name}",
        )


def in_words(row: Row, dtype: DType, worst: Severity) -> str:
    """The evidence in words."""
    evidence = str(row.get("bf16_evidence" if dtype is BF16 else "evidence", ""))
    if worst == "error":
        return "documented bad for it" if evidence.startswith("documented") else "confirmed bad for it"
    for start, words in SAID.items():
        if evidence.startswith(start):
            return words
    return "not what its authors use"
