"""A picture has one colour alone, of numbers that were finite: dark on purpose, or not."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Run
from ..shown import place
from ..spoilt import which
from ..words import listed


class PictureUniform(Rule):
    """A picture has one colour alone, and the numbers it was made of were finite: no NaN is behind it.

    Depth maps, masks, warm-ups and zero latents are uniform on purpose. Where a picture was wanted, latents that are all zero
    or far too large are the usual cause, not a dtype.

    ```bad
    run: watched runs on cuda
    picture: uniform 1 of 1 black
    ```

    ```good
    run: watched runs on cuda
    picture: nan 1 of 1
    ```
    """

    code = "DT313"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for all such pictures."""
        plain = [picture for picture in run.pictures if picture.verdict == "uniform"]
        if plain:
            colours = listed(picture.colour or "one colour" for picture in plain)
            yield self.finding(
                place(run, ""),
                f"{which(plain)} {'are' if len(plain) > 1 else 'is'} {colours} all over, of numbers that were finite: "
                "dark on purpose, or of empty latents",
                source="uniform",
            )
