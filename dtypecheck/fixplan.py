"""A fix plan: the steps that would mend a target, each with its edits, and the state of every file that they touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .edits import Edit


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is mended, whole or not at all.

    place: the file or folder that people look for; change: what happens to it, `force_upcast: false -> true`, `fp32 -> bf16,
    1,680 tensors`. codes: the rules whose findings it answers, none where the user asked for it. before, after: bytes of the
    files it touches. costs: what is lost and gained by it, a sentence each: "nothing overflows, 0.02 % underflow". lossless: no
    number that is held today is lost. strategy: the word that --strategy knows it by.
    """

    place: str
    change: str
    edits: tuple[Edit, ...]
    lossless: bool = True
    before: int = 0
    after: int = 0
    costs: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What is not offered, and why: a finding that no edit of files can mend, or an edit that would break something else.

    offers: what to do instead. done: nothing is wrong, it is as it was asked for already.
    """

    place: str
    why: str
    codes: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A file as it was when the plan was made. size: bytes, -1 for one that was not there. sha256: "" where it was not read."""

    size: int
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class FixPlan:
    """Steps in the order in which they are done, and what they stand on.

    target: what people call it; never used to find it. files: every file of the target that an edit reads, writes or removes.
    refused: what was looked at and left. asked: the request it was verified for, as `--dtype` and `--variant` spell it.
    """

    target: str
    steps: tuple[Step, ...] = ()
    files: Mapping[str, State] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits of all steps, in order."""
        return tuple(edit for step in self.steps for edit in step.edits)

    @property
    def lossless(self) -> bool:
        """True when no step loses a number."""
        return all(step.lossless for step in self.steps)


@dataclass(frozen=True, slots=True)
class Mending:
    """What became of a fix plan. state: planned, applied, written (to another folder), or rolled back.

    left_out: its steps that lose numbers, where that was not allowed. place: the folder it was written to. measured: what the
    verification printed, a line each; reasons: why it was rolled back. command: what applies it, for people to copy.
    read: it came out of a file, whose words are a stranger's: its edits are shown one by one.
    """

    plan: FixPlan
    state: str = "planned"
    left_out: tuple[Step, ...] = ()
    place: str = ""
    measured: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    command: str = ""
    read: bool = False
