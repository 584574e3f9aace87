"""What a gate says: whether this model and these scripts may be deployed, because of what, and what was not looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Deployable = Literal["deploy", "do not deploy", "not proven"]


@dataclass(frozen=True, slots=True)
class Gate:
    """A verdict. because: one sentence with the place. unchecked: what was not looked at or not decided, a sentence each.

    lacking: those of them that were required: then "not proven" stops a deployment too.
    """

    verdict: Deployable
    because: str
    unchecked: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
