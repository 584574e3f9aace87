"""A checkpoint is loaded in another half dtype than the one that it was published for."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import BY_NAME, F16
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.scripts import Call
from ..told import maker, two_questions, when


class PublishedInOtherDtype(Rule):
    """A checkpoint is loaded in, or cast to, another half dtype than the one it was trained and published for.

    Told of ids on the Hub that are known; of a class some checkpoints are for fp16 and others for bf16 (CogVideoX-2b and 5b, the two
    editions of Sana). An error where the authors confirm NaN or black in the other dtype.

    ```bad
    film.py: |
        import torch
        from diffusers import CogVideoXPipeline

        pipe = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX1.5-5B", torch_dtype=torch.float16)
    ```

    ```bad
    paint.py: |
        import torch
        from diffusers import SanaPipeline

        pipe = SanaPipeline.from_pretrained("Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", torch_dtype=torch.float16)
    ```

    ```good
    film.py: |
        import torch
        from diffusers import CogVideoXPipeline

        large = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX1.5-5B", torch_dtype=torch.bfloat16)
        small = CogVideoXPipeline.from_pretrained("THUDM/CogVideoX-2b", torch_dtype=torch.float16)
    ```
    """

    code = "DT220"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that loads or casts."""
        made = call.result
        if call.means not in ("load", "cast") or not call.sure or made is None or made.kind not in ("pipeline", "model"):
            return
        name = made.repo.text or ""
        row = known.row("hub", name)
        right = BY_NAME.get(row.get("dtype", ""))
        part = call.argument("subfolder") if call.means == "load" else None
        if right is None or made.flags & {"quantised", "touched"} or (part and part.value.text not in (None, "transformer")):
            return
        if made.kind == "model" and call.means == "cast" and made.klass and "Transformer" not in made.klass:
            return  # a part beside the one that the reports are about
        for case, dtype in made.dtype.dtypes():
            if not dtype.is_half or dtype is right or two_questions(case, call):
                continue
            yield self.finding(
                call.where,
                f"{name} is {'cast to' if call.means == 'cast' else 'loaded in'} {dtype.short} and was published for {right.short}"
                f"{when(case, call)}",
                severity=row.get("severity", self.severity) if dtype is F16 or "severity" in row else "note",
                against=maker(made, call),
                because=row["why"],
                fix=Fix(f"torch_dtype=torch.{right.torch}, or torch.float32"),
                source=call.source,
            )
            return
