"""An ignore mutes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...read.header import UNUSED_IGNORE
from ...rule import Rule
from ...subjects import Problem

_SAYS: Final = "ignore["


class UnusedIgnore(Rule):
    """An ignore mutes nothing: what it names was not found there, or is no rule.

    The fault may be mended, or the comment may have been left behind when the line it spoke of was moved. As long as it stands
    there it will mute the fault when that comes back. A comment mutes what is found on the lines of its statement, or of the
    statement right below it; an entry under [[tool.dtypecheck.ignore]] mutes what is found in its paths. Nothing is said where
    the rule is not selected, or could not have fired because what it looks at was not looked at: a device that was not named,
    the numbers of the weights, a run.

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float16)  # dtypecheck: ignore[DT205] was so last year
    ```

    ```bad
    serve.py: |
        import torch
        from diffusers import AutoencoderKL
        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float16)  # dtypecheck: ignore[DT2O5] a letter for a digit
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import AutoencoderKL
        text = "# dtypecheck: ignore[DT205] in a text this is no comment"
        vae = AutoencoderKL.from_pretrained("vae", torch_dtype=torch.float16)
    ```
    """

    code = "DT015"
    severity = "note"

    def check(self, problem: Problem, known: Knowledge) -> Iterator[Finding]:
        """The problem as a finding. The last line of its detail is the word that mutes nothing."""
        if problem.kind == UNUSED_IGNORE:
            told, _, word = problem.detail.rpartition("\n")
            yield self.tell(problem.where, told, word)

    def tell(self, where: Where, told: str, word: str) -> Finding:
        """The finding about one word of an ignore."""
        return self.finding(where, told, fix=Fix(f"take {word} out of it"), source=f"{_SAYS}{word}]")


def word_of(finding: Finding) -> str:
    """The word of an ignore that such a finding is about."""
    return finding.source.removeprefix(_SAYS).removesuffix("]")
