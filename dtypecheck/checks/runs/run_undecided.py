"""A run could not be followed to its end, for a reason that is no matter of dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Run
from ..shown import place


class RunUndecided(Rule):
    """The rehearsal could not go on, for a reason that says nothing about dtypes: neither "runs" nor "crashes" was proven.

    A rehearsal has shapes and dtypes and no numbers. A step whose shape depends on values (experts picked by their scores, a
    boolean mask made from an output), a component that cannot be built from its config or whose code is not in diffusers, or
    an error that has nothing to do with dtypes ends it. What ran until then ran without a crash.

    ```bad
    run: unknown on cuda
    stopped: transformer.blocks.3.moe: aten.nonzero.default needs numbers that a rehearsal does not have
    ```

    ```good
    run: watched unknown on cuda
    stopped: : FileNotFoundError: prompts.txt (serve.py:12)
    ```

    ```good
    run: runs on cuda
    stand-in: tokenizer: its files are not there, one of our own stands in
    ```

    ```good
    run: crashes on cuda
    crash: unet.conv_in conv2d in denoise | input F32 the argument latents | weight F16
    ```
    """

    code = "DT306"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One note for a rehearsal without a verdict; a watched script that stops for another reason says so itself."""
        if run.verdict != "unknown" or run.how == "watched":
            return
        at = run.module or run.component
        yield self.finding(
            place(run, at),
            "the rehearsal ended undecided" + (f" in {at}" if at else "") + (f": {run.reason}" if run.reason else ""),
            source=run.device,
            component=at.partition(".")[0],
        )
