"""A model with rotary embeddings is cast after loading, and the frequencies with it."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects.scripts import Call
from ..told import maker, two_questions, when


class RotaryTableCast(Rule):
    """A language model with rotary embeddings is cast to a half dtype after loading, and the table of frequencies with it.

    from_pretrained leaves `inv_freq` in fp32 for every dtype; `.to(torch.bfloat16)` and `.half()` round it, and late positions get
    angles of their own. Nothing fails: a note.

    ```bad
    encode.py: |
        import torch
        from transformers import Qwen2Model

        encoder = Qwen2Model.from_pretrained("Qwen/Qwen2-7B").to(torch.bfloat16)
    ```

    ```good
    encode.py: |
        import torch
        from transformers import Qwen2Model

        encoder = Qwen2Model.from_pretrained("Qwen/Qwen2-7B", torch_dtype=torch.bfloat16).to("cuda")
    ```
    """

    code = "DT227"
    severity = "note"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a cast of a model."""
        made = call.result
        if call.means != "cast" or not call.sure or made is None or made.kind != "model" or made.flags & {"quantised", "touched"}:
            return
        row = _row(made.klass or "", known)
        for case, dtype in made.dtype.dtypes():
            if not row or not dtype.is_half or two_questions(case, call):
                continue
            loader = call.script.call(made.loader)
            if loader is None or loader.means != "load":
                return
            yield self.finding(
                call.where,
                f"{made.label} ({made.klass}) is cast to {dtype.short} as a whole, and {', '.join(row['keys'])} with it{when(case, call)}",
                against=maker(made.but(caster=None), call),
                because=row["why"],
                fix=Fix(f"name the dtype where it is loaded, from_pretrained(..., dtype=torch.{dtype.torch})"),
                source=call.source,
            )
            return


def _row(klass: str, known: Knowledge) -> Row:
    return next((row for header, row in known.all("buffers") if klass == header or klass in row.get("names", ())), {})
