"""Pickles to descriptions: every opcode runs on a machine that imports nothing, calls nothing, and has an end.

Each step costs a bounded amount of time and memory, and there are limits on the number of steps, of names, and on the length of
one literal. `pickle.Unpickler` has none of these: nine bytes with a memo index of 2**28 make it take two gigabytes.
source: pickletools (the opcodes and the forms of their arguments).
"""

from __future__ import annotations

import pickletools
from typing import Final, NamedTuple

from .pickle_actions import ACTIONS, Action
from .pickle_machine import Machine, Stopped
from .pickle_values import Storage, Thing

STEPS: Final = 3_000_000
"""Opcodes at most. 1,000 tensors take 40,000 and a dictionary of 250,000 words 1,500,000. At worst: five seconds, 400 MB."""
LITERAL: Final = 1 << 16
"""Bytes of the longest text or number that is kept; longer ones become a Thing without content."""


class Loaded(NamedTuple):
    """A pickle: its value, where it ends, its storages by key, and how many persistent ids have a form unknown to torch."""

    value: object
    end: int
    storages: dict[str, Storage]
    odd: int


def load(data: bytes, position: int, names: dict[str, bool]) -> Loaded:
    """The pickle that begins at `position`. names: grows by each global the stream asks for, by whether it is called.

    errors: Stopped says why it could not be read to its end.
    """
    machine = Machine(names)
    length = len(data)
    for _ in range(STEPS):
        if position >= length:
            raise Stopped("the pickle ends before its last opcode", cut=True)
        code = data[position]
        action, form = _ACTIONS[code], _FORMS[code]
        position += 1
        if form >= 0:
            stop = after = position + form
        elif form == pickletools.UP_TO_NEWLINE:
            stop, after = _lines(data, position, code)
        else:
            begin = position + _PREFIXES[form]
            stop = after = begin + int.from_bytes(data[position:begin], "little")
            position = begin
            if stop - begin > LITERAL:
                action, position = _too_long, stop
        if stop > length:
            raise Stopped("the pickle ends inside an opcode", cut=True)
        if code == _STOP:
            if not machine.stack:
                raise Stopped("the pickle ends without a value")
            return Loaded(machine.stack[-1], position, machine.storages, machine.odd)
        try:
            action(machine, data[position:stop])
        except IndexError:
            raise Stopped(f"the pickle takes a value off an empty stack, before byte {after}") from None
        position = after
    raise Stopped(f"the pickle has more than {STEPS:,} opcodes")


def _lines(data: bytes, position: int, code: int) -> tuple[int, int]:
    """Where the text argument of an opcode ends, one line or two, and where the next opcode begins."""
    stop = data.find(b"\n", position, position + LITERAL)
    if stop >= 0 and code in _TWO_LINES:
        stop = data.find(b"\n", stop + 1, stop + LITERAL)
    if stop < 0:
        cut = len(data) - position < LITERAL
        raise Stopped("the pickle ends inside an opcode" if cut else "the pickle holds a line without end", cut)
    return stop, stop + 1


def _too_long(machine: Machine, raw: bytes) -> None:
    machine.stack.append(Thing())


def _unknown(machine: Machine, raw: bytes) -> None:
    raise Stopped("the pickle holds a byte that is no opcode")


_STOP: Final = ord(".")
_PREFIXES: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}  # fmt: skip
"""Bytes of the length that stands before an argument, by the argument's form in pickletools."""
_TWO_LINES: Final = frozenset(ord(opcode.code) for opcode in pickletools.opcodes if opcode.name in ("GLOBAL", "INST"))
_ACTIONS: Final[list[Action]] = [_unknown] * 256
_FORMS: Final = [0] * 256
for _opcode in pickletools.opcodes:
    _ACTIONS[ord(_opcode.code)] = ACTIONS[_opcode.name]
    _FORMS[ord(_opcode.code)] = _opcode.arg.n if _opcode.arg else 0
