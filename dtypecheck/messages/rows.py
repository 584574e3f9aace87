"""One row of rules/messages.toml: what a message says, why it comes and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from ..dtypes import BY_NAME, DType
from ..knowledge import BadRow, Knowledge
from ..knowledge import Row as Raw
from .patterns import Pattern, pattern

Kind = Literal["crash", "nan", "warning", "info"]
KINDS: Final[tuple[Kind, ...]] = ("crash", "nan", "warning", "info")
"""What a message is, the gravest first: it stops the program, numbers are lost, something was changed, nothing is wrong."""
ABOUT: Final = ("dtype", "support", "range", "loading", "training", "device")
"""What a message is about: dtypes that met, what a device or kernel lacks, the range of numbers, how weights got their dtype."""


@dataclass(frozen=True)
class Row:
    """What is known of one message. name: its header.

    only: the dtypes that a role must have, by role; `any`: at least one of them. equal: whether all its dtypes are the same
    one, None where that is no matter. means, because, do: with {role} and {value} to be filled in.
    """

    name: str
    kind: Kind
    about: str
    patterns: tuple[Pattern, ...]
    means: str
    because: tuple[str, ...]
    do: tuple[str, ...]
    seen: tuple[str, ...]
    says: tuple[str, ...]
    why: str
    source: tuple[str, ...]
    only: Mapping[str, tuple[DType, ...]]
    equal: bool | None = None

    @cached_property
    def gravity(self) -> int:
        """0 for the gravest kind."""
        return KINDS.index(self.kind)

    def allows(self, dtypes: Mapping[str, DType | None]) -> bool:
        """True when the dtypes that a text names are such that the row is about it."""
        known = [dtype for dtype in dtypes.values() if dtype is not None]
        if self.equal is not None and (self.equal != (len(set(known)) == 1) if len(known) > 1 else self.equal):
            return False
        for role, wanted in self.only.items():
            if role == "any":
                if not set(known) & set(wanted):
                    return False
            elif dtypes.get(role) not in wanted:
                return False
        return True


def rows(known: Knowledge) -> tuple[Row, ...]:
    """Every row, in the order of the file: of two that fit the same words the first counts. errors: BadRow."""
    return tuple(_row(name, raw) for name, raw in known.all("messages"))


def _row(name: str, raw: Raw) -> Row:
    try:
        return Row(
            name,
            raw["kind"],
            raw["about"],
            tuple(map(pattern, raw["pattern"])),
            raw["means"],
            tuple(raw["because"]),
            tuple(raw["do"]),
            tuple(raw["seen"]),
            tuple(raw["says"]),
            raw["why"],
            tuple(raw["source"]),
            {role: tuple(BY_NAME[text] for text in names) for role, names in raw.get("only", {}).items()},
            raw.get("equal"),
        )
    except KeyError as fault:
        raise BadRow(f"messages.toml: the row [[{name}]] lacks or does not know {fault.args[0]}") from None
