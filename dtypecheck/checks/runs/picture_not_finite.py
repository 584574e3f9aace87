"""A picture was NaN or inf before it became bytes, and no module that was watched made it so."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Picture
from ...subjects.shown import Run
from ..shown import component_name, place
from ..spoilt import bad, black, producers, spoilt

SEEN = {"decode": "as the VAE gave it", "postprocess": "when it was made a picture", "save": "when it was saved"}


class PictureNotFinite(Rule):
    """A picture was NaN (black) or inf (white) before it became bytes, and nobody saw which module made it so.

    The module is not known when it was compiled before the watch began, when it ran in another process, or when only component
    outputs were watched. A warning where nothing in the run was in half: then the dtype is not to blame.

    ```bad
    run: watched runs on cuda
    picture: nan 1 of 1 at save
    ```

    ```good
    run: watched runs on cuda
    producer: inf vae.decoder.conv_in F16 | reaches vae
    picture: nan 1 of 1 | by vae.decoder.conv_in
    ```

    ```good
    run: watched runs on cuda
    picture: uniform 1 of 1 black
    ```
    """

    code = "DT311"
    severity = "error"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for all such pictures that no producer explains."""
        explained = spoilt(run, producers(run, "nan", "inf"))
        left = [picture for picture in run.pictures if bad(picture) and picture not in explained]
        if left:
            yield self._tell(run, left)

    def _tell(self, run: Run, left: list[Picture]) -> Finding:
        first = left[0]
        parts = [f"seen {SEEN[first.seen]}"] if first.seen in SEEN else []
        parts += run.limits
        compiled = any("compile" in text for text in run.limits)
        again = "with --eager, so that compiled modules are seen" if compiled else "with --level op, which sees every operator"
        return self.finding(
            place(run, first.producer),
            f"{black(left)}; {f'it comes out of {first.producer}' if first.producer else 'no module that was watched made it so'}",
            severity=_severity(run),
            because="; ".join(parts),
            fix=Fix(f"watch it again {again}"),
            source=f"{first.verdict} {first.seen}",
            component=component_name(run, first.producer),
        )


def _severity(run: Run) -> Severity:
    dtypes: set[DType | None] = {dtype for row in run.modules for dtype in (row.dtype_in, row.dtype_out, row.weights)}
    known = {dtype for dtype in dtypes if dtype is not None}
    return "warning" if known and all(dtype.bits >= 32 for dtype in known) else "error"
