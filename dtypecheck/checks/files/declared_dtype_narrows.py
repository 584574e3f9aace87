"""The config declares a dtype that cannot hold the stored weights."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16, F32, F64, can_hold
from ...edits import SetKey
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component


class DeclaredDtypeNarrows(Rule):
    """The config declares a dtype that cannot hold the stored weights.

    transformers 5 asks config.json before it asks the weights, and casts every weight on load without a word. BF16 under
    float16 turns what is above 65504 into inf: a warning. F32 under a half dtype loses mantissa only, and is what many
    publishers do beside a variant: a note. Silent when the load does not follow the config.

    ```bad
    $ --lib transformers==5.23
    config.json: {"architectures": ["CLIPTextModel"], "dtype": "float16"}
    model.safetensors: final_layer_norm.weight BF16 8
    ```

    ```good
    $ --lib transformers==5.23
    config.json: {"architectures": ["CLIPTextModel"], "dtype": "bfloat16"}
    model.safetensors: final_layer_norm.weight BF16 8
    ```
    """

    code = "DT102"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding for a component whose load follows a config that narrows its weights."""
        load, declared = component.loads(), component.declared
        stored = load.chosen.main if load.chosen else None
        if declared is None or stored is None or load.claim is not declared or component.quantised:
            return
        if can_hold(declared.dtype, stored) or not stored.is_wide:
            return
        overflows = declared.dtype is F16 and stored not in (F32, F64)
        loss = (
            "values above 65504 become inf"
            if overflows
            else f"{stored.mantissa - declared.dtype.mantissa} bits of mantissa are lost"
        )
        key = declared.where.at or "/dtype"
        edit = SetKey(declared.where.path, key, f'"{stored.torch}"')
        yield self.finding(
            declared.where,
            f"{component.label} is stored in {stored.short}, its config declares {declared.dtype.short}: {loss} on load",
            severity="warning" if overflows else "note",
            against=load.chosen.where if load.chosen else None,
            because="transformers 5 follows config.json when no dtype is asked for",
            fix=Fix(f"declare {stored.torch} in {declared.where.path}", True, (edit,)),
            source=f"{declared.dtype.name} {stored.name}",
        )
