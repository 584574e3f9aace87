"""Why an edit, a plan or an undo is not carried out: one kind of error, whose text names the file and the cause."""

from __future__ import annotations


class Refusal(ValueError):
    """Nothing was changed, or all of it was taken back. offers: what could be asked for instead."""

    def __init__(self, text: str, *offers: str) -> None:
        super().__init__(text)
        self.offers = offers
