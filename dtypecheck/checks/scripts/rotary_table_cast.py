"""A model with rotary embeddings is cast after loading, and the frequencies with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ...findings import Finding, Fix
from ...knowledge import Knowledge, Row
from ...rule import Rule
from ...subjects.scripts import Call
from ..told import maker, two_questions, when

_NAMED: Final = re.compile(r"^(?:[\w.]*[._])?(?:inv_freqs?|freqs|rotary\w*|rope\w*)\s*(?:=|:[^=]*=)")
_MAKES: Final = ("torch.linspace", "torch.arange")


class RotaryTableCast(Rule):
    """A language model with rotary embeddings is cast to a half dtype after loading, and the table of frequencies with it.

    from_pretrained leaves `inv_freq` in fp32 for every dtype; `.to(torch.bfloat16)` and `.half()` round it, and late positions get
    angles of their own. So do they where a script makes such a table in half. Nothing fails: a note.

    ```bad
    encode.py: |
        import torch
        from transformers import Qwen2Model

        encoder = Qwen2Model.from_pretrained("Qwen/Qwen2-7B").to(torch.bfloat16)
    ```

    ```bad
    rope.py: |
        import torch

        inv_freq = 1.0 / (10000 ** (torch.arange(0, 64, 2, dtype=torch.bfloat16) / 64))
    ```

    ```good
    rope.py: |
        import torch

        inv_freq = 1.0 / (10000 ** (torch.arange(0, 64, 2, dtype=torch.float32) / 64))
        places = torch.arange(0, 64, dtype=torch.bfloat16)
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
        yield from self._made(call)
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

    def _made(self, call: Call) -> Iterator[Finding]:
        """A table of frequencies or positions that the script itself makes in a half dtype."""
        made = call.result
        if call.means != "tensor" or call.what not in _MAKES or made is None or not _NAMED.match(call.script.line(call.where)):
            return
        for case, dtype in made.dtype.dtypes():
            if dtype.is_half and not two_questions(case, call):
                yield self.finding(
                    call.where,
                    f"a table of frequencies is made in {dtype.short}, which has {dtype.mantissa + 1} significant bits{when(case, call)}",
                    because="late positions get the angles of their neighbours",
                    fix=Fix("make it in torch.float32 and cast what comes of it"),
                    source=call.source,
                )
                return


def _row(klass: str, known: Knowledge) -> Row:
    return next((row for header, row in known.all("buffers") if klass == header or klass in row.get("names", ())), {})
