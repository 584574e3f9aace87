"""The safety checker made a picture black: no matter of dtype."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Run
from ..shown import place
from ..spoilt import which


class PictureBlanked(Rule):
    """A picture is black because the safety checker blanked it: its numbers were fine.

    It is told so that nobody looks for NaN. The checker's answer stands in `nsfw_content_detected` of the pipeline's output.

    ```bad
    run: watched runs on cuda
    picture: safety-checker 2 of 4
    ```

    ```good
    run: watched runs on cuda
    picture: ok 2 of 4
    ```
    """

    code = "DT312"
    severity = "note"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for all such pictures."""
        blanked = [picture for picture in run.pictures if picture.verdict == "safety-checker"]
        if blanked:
            many = len(blanked) > 1
            yield self.finding(
                place(run, ""),
                f"{which(blanked)} {'are' if many else 'is'} black because the safety checker blanked {'them' if many else 'it'}; "
                "the numbers were finite",
                fix=Fix("look at nsfw_content_detected in the output; another prompt or seed gives another answer"),
                source="safety-checker",
            )
