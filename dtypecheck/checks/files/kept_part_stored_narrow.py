"""A part that the library keeps in fp32 was stored narrower than the rest of its component."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16, F32
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...rule import Rule
from ...subjects import Component


class KeptPartStoredNarrow(Rule):
    """A part that the library keeps in fp32 was stored narrower than the rest of its component.

    T5's `wo`, Wan's norms and tables and the like are kept in float32 because half precision is not enough for them. Stored
    in F16 while everything around is F32, their numbers are already rounded, or inf, and keeping them in float32 on load
    brings nothing back. A file that is half precision throughout is silent: that is how most are published.

    ```bad
    $ --lib transformers==5.23
    config.json: {"architectures": ["T5EncoderModel"], "dtype": "float32"}
    model.safetensors: encoder.block.0.layer.1.DenseReluDense.wo.weight F16 4x4; shared.weight F32 8x8
    ```

    ```good
    $ --lib transformers==5.23
    config.json: {"architectures": ["T5EncoderModel"], "dtype": "float16"}
    model.safetensors: encoder.block.0.layer.1.DenseReluDense.wo.weight F32 4x4; shared.weight F16 8x8
    ```
    """

    code = "DT112"
    severity = "warning"

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, naming the first of the parts and their number."""
        chosen = component.loads().chosen
        names = keep_list(component, F16, component.pipeline.request, known)
        if chosen is None or not names or component.quantised:
            return
        floats = {dtype for dtype in chosen.stock if dtype.is_float}
        if len(floats) < 2:
            return
        keeps = matcher(component, names, component.pipeline.request)
        kept = [(file, t) for file, t in chosen.tensors() if t.dtype.is_float and keeps.search(t.key)]
        narrow = [(file, t) for file, t in kept if t.dtype.bits < F32.bits]
        rest = {t.dtype for _, t in chosen.tensors() if t.dtype.is_float} - {t.dtype for _, t in narrow}
        if not narrow or F32 not in rest or len(narrow) < len(kept):
            return
        first = narrow[0][1]
        yield self.finding(
            component.loaded_from,
            f"{component.label} stores {len(narrow)} parts in {first.dtype.short} that {component.family} keeps in fp32 "
            f"({', '.join(names)}), the rest is fp32; the first is {first.key}",
            because="they overflow or lose too much in half precision; what was rounded when they were saved does not come back",
            fix=Fix("save these parts again from the fp32 weights", lossless=True),
            source=f"{first.dtype.name} {len(narrow)}",
        )
