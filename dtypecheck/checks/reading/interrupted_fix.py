"""A fix of these files was interrupted, and nobody has ended it."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...read.header import INTERRUPTED_FIX
from ...subjects import Problem
from ..problem import OfKind


class InterruptedFix(OfKind):
    """A fix of these files was interrupted, and nobody has ended it.

    A fix, or an undo, was killed in the middle, or is at work right now. Every file is whole, but some are the old ones and
    some the new ones, and they need not fit together. The journal beside the folder tells how far it came; both ways out of
    it lead to a folder that fits.

    ```bad
    $ --interrupted "2 of 3 files are changed"
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```

    ```good
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4
    ```
    """

    code = "DT013"
    severity = "error"
    kind = INTERRUPTED_FIX
    remedy = "dtypecheck undo takes it back, dtypecheck fix --apply ends it"

    def check(self, problem: Problem, known: Knowledge) -> Iterator[Finding]:
        """The problem as a finding. Behind the first line of its detail stand the commands, with the target to type."""
        if problem.kind == self.kind:
            told, _, commands = problem.detail.partition("\n")
            yield self.finding(problem.where, told, fix=Fix(commands or self.remedy), source=problem.kind)
