"""A norm or a projection is a hundred times larger than the same one in the other layers."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from ...findings import Finding
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.values import Counted, Numbers, Values
from ..tensors import family, some, where
from ..words import amount

_TIMES: Final = 100
_SIBLINGS: Final = 4


class OutOfFamily(Rule):
    """A norm or a projection is a hundred times larger than the same one in the other layers.

    Trained models have some outliers, ten or thirty times their siblings. A hundred times is a layer that blew up in training, a
    wrong scale in a conversion, or a merge of two models that do not belong together; its activations are the first to leave
    fp16. A note, for a look. Looked at by `--values=full`.

    ```bad
    $ --values full
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: b.0.norm.weight F32 4 = 1; b.1.norm.weight F32 4 = 1.1; b.2.norm.weight F32 4 = 0.9; b.3.norm.weight F32 4 = 1 400; b.4.norm.weight F32 4 = 1
    ```

    ```good
    $ --values full
    config.json: {"_class_name": "AutoencoderKL"}
    diffusion_pytorch_model.safetensors: b.0.norm.weight F32 4 = 1; b.1.norm.weight F32 4 = 1.1; b.2.norm.weight F32 4 = 0.9; b.3.norm.weight F32 4 = 1 40; b.4.norm.weight F32 4 = 1
    ```
    """

    code = "DT409"
    severity = "note"
    in_gate = False

    def check(self, values: Values, known: Knowledge) -> Iterator[Finding]:
        """One finding for the weights that stand for the component."""
        if values.depth != "full" or values.shown is None:
            return
        found = list(_outliers(values.shown))
        if not found:
            return
        told = some([f"{n.key} ({amount(n.absmax or 0.0)}, its siblings {amount(usual)})" for n, usual in found])
        yield self.finding(
            where(found[0][0]),
            f"{values.component.label}: {len(found):,} weight{'s are' if len(found) > 1 else ' is'} far larger than the same in "
            f"other layers: {told}",
            source=" ".join(numbers.key for numbers, _ in found),
        )


def _outliers(counted: Counted) -> Iterator[tuple[Numbers, float]]:
    """Each weight that is out of its family, with the median of the family's largest numbers."""
    families: dict[str, list[Numbers]] = {}
    for numbers in counted.numbers:
        if numbers.absmax and (name := family(numbers)):
            families.setdefault(name, []).append(numbers)
    for members in families.values():
        usual = median(numbers.absmax or 0.0 for numbers in members)
        if len(members) > _SIBLINGS:
            yield from ((numbers, usual) for numbers in members if (numbers.absmax or 0.0) > _TIMES * usual)
