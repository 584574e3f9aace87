"""A script or notebook cannot be parsed."""

from __future__ import annotations

from ...read.scripts.source import BROKEN_SCRIPT
from ..problem import OfKind


class BrokenScript(OfKind):
    """A script or notebook cannot be parsed, so that nothing is known of what it asks for.

    It may be wrong, a template, a piece of documentation, or written for another Python than the one that dtypecheck runs under: that
    cannot be told apart, and is no fault of dtypes, so it is a note, as for every file that is not understood. Of a notebook the
    other cells are still read.

    ```bad
    serve.py: |
        from diffusers import DiffusionPipeline
        print DiffusionPipeline.from_pretrained("model")
    ```

    ```good
    serve.py: |
        from diffusers import DiffusionPipeline
        print(DiffusionPipeline.from_pretrained("model"))
    ```
    """

    code = "DT014"
    severity = "note"
    kind = BROKEN_SCRIPT
