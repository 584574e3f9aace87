"""The state of a pickle machine, and the two things an opcode may ask of it that are not plain stack work."""

from __future__ import annotations

from itertools import islice
from typing import Final

from .pickle_calls import WRAPS_A_CALL, call
from .pickle_names import resolve
from .pickle_values import Global, Storage, Thing

NAMES: Final = 10_000
"""Different globals at most."""


class Stopped(Exception):
    """The stream cannot be read on. cut: because its bytes end, so that more of them might help."""

    def __init__(self, detail: str, cut: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.cut = cut


class Machine:
    """A stack, the stacks below the marks, and the memo of one pickle.

    names: each global the stream asks for, by whether it is called; shared by the pickles of one file.
    storages: by their key; odd: how many persistent ids have a form that torch does not write.
    """

    __slots__ = ("below", "memo", "names", "odd", "stack", "storages")

    def __init__(self, names: dict[str, bool]) -> None:
        self.stack: list[object] = []
        self.below: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.names = names
        self.storages: dict[str, Storage] = {}
        self.odd = 0

    def take_marked(self) -> list[object]:
        """What was pushed since the last mark, taken off; the stack is then what it was at that mark."""
        below = self.below.pop()
        taken, self.stack = self.stack, below
        return taken

    def push_global(self, name: str) -> None:
        """Push what a global stands for, and note its name."""
        if name not in self.names:
            if len(self.names) >= NAMES:
                raise Stopped(f"the pickle names more than {NAMES:,} different functions and classes")
            self.names[name] = False
        self.stack.append(resolve(name))

    def push_call(self, called: object, arguments: object) -> None:
        """Push the description of what a call gives.

        A global handed to a call counts as called, and so does an object that the file made: torch.save writes neither.
        """
        given = arguments if isinstance(arguments, tuple) else ()
        self._note(called, *islice(given, 16))
        if isinstance(called, Thing):
            self.names[f"{called.name or 'object'}.__call__"] = True
        if not isinstance(called, Global):
            self.stack.append(Thing("", given))
            return
        match given:
            case (Global() as inner, _, tuple() as rest, *_) if called.name in WRAPS_A_CALL:
                if inner.name in WRAPS_A_CALL:
                    raise Stopped("the pickle wraps a call into a call of a call, which torch.save does not write")
                self._note(*islice(rest, 16))
        self.stack.append(call(called.name, given))

    def _note(self, *values: object) -> None:
        for value in values:
            if isinstance(value, Global):
                self.names[value.name] = True
