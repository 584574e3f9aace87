"""What each opcode of a pickle does to the machine, by the name that pickletools gives the opcode.

Nothing the stream can reach again is copied or walked here, so that a step costs what it reads.
source: pickletools, Lib/pickle.py, Python 3.11 to 3.13.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from . import pickle_literals as literals
from .pickle_calls import persistent
from .pickle_machine import Machine, Stopped
from .pickle_names import full_name
from .pickle_values import Global, Storage, Table, Thing

_PROTOCOLS: Final = range(6)

Action = Callable[[Machine, bytes], None]


def _pushes(value: Callable[[bytes], object]) -> Action:
    """The action of an opcode that pushes what its argument says."""

    def action(machine: Machine, raw: bytes) -> None:
        machine.stack.append(value(raw))

    return action


def _integer(form: str) -> Action:
    unpack = struct.Struct(form).unpack
    return _pushes(lambda raw: unpack(raw)[0])


def _nothing(machine: Machine, raw: bytes) -> None:
    pass


def _protocol(machine: Machine, raw: bytes) -> None:
    if raw[0] not in _PROTOCOLS:
        raise Stopped(f"the pickle is of protocol {raw[0]}, which no Python has")


def _mark(machine: Machine, raw: bytes) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine, raw: bytes) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.take_marked()


def _pop_mark(machine: Machine, raw: bytes) -> None:
    machine.take_marked()


def _dup(machine: Machine, raw: bytes) -> None:
    machine.stack.append(machine.stack[-1])


def _get(index: Callable[[bytes], int]) -> Action:
    def action(machine: Machine, raw: bytes) -> None:
        at = index(raw)
        if at not in machine.memo:
            raise Stopped(f"the pickle asks for value {at} before it is there")
        machine.stack.append(machine.memo[at])

    return action


def _put(index: Callable[[bytes], int]) -> Action:
    def action(machine: Machine, raw: bytes) -> None:
        machine.memo[index(raw)] = machine.stack[-1]

    return action


def _memoize(machine: Machine, raw: bytes) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _tuple(count: int) -> Action:
    def action(machine: Machine, raw: bytes) -> None:
        if len(machine.stack) < count:
            raise IndexError
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return action


def _marked(gather: Callable[[list[object]], object]) -> Action:
    """The action of an opcode that pushes one value made of all since the mark."""

    def action(machine: Machine, raw: bytes) -> None:
        value = gather(machine.take_marked())
        machine.stack.append(value)

    return action


def _pairs(items: list[object]) -> list[tuple[object, object]]:
    return list(zip(items[::2], items[1::2], strict=False))


def _add(machine: Machine, items: list[object]) -> None:
    """Put items into the list on top of the stack, or into the object that has an `append`."""
    match machine.stack[-1]:
        case list() as found:
            found += items
        case Thing() as thing:
            if thing.items is None:
                thing.items = []
            thing.items += items


def _set(machine: Machine, items: list[object]) -> None:
    """Put keys with their values into the dict on top of the stack, or into the object that has a `__setitem__`."""
    match machine.stack[-1]:
        case Table() as table:
            table.pairs += _pairs(items)
        case Thing() as thing:
            thing.table = thing.table or Table()
            thing.table.pairs += _pairs(items)


def _append(machine: Machine, raw: bytes) -> None:
    item = machine.stack.pop()
    _add(machine, [item])


def _appends(machine: Machine, raw: bytes) -> None:
    _add(machine, machine.take_marked())


def _set_item(machine: Machine, raw: bytes) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set(machine, [key, value])


def _set_items(machine: Machine, raw: bytes) -> None:
    _set(machine, machine.take_marked())


def _global(machine: Machine, raw: bytes) -> None:
    module, _, name = raw.partition(b"\n")
    machine.push_global(full_name(literals.text(module), literals.text(name)))


def _stack_global(machine: Machine, raw: bytes) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise Stopped("the pickle asks for a function or class whose name is no text")
    machine.push_global(full_name(module, name))


def _extension(machine: Machine, raw: bytes) -> None:
    machine.push_global(f"copyreg.extension.{literals.little(raw)}")


def _inst(machine: Machine, raw: bytes) -> None:
    arguments = tuple(machine.take_marked())
    _global(machine, raw)
    machine.push_call(machine.stack.pop(), arguments)


def _obj(machine: Machine, raw: bytes) -> None:
    klass, *arguments = machine.take_marked() or [None]
    machine.push_call(klass, tuple(arguments))


def _reduce(machine: Machine, raw: bytes) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    machine.push_call(called, arguments)


def _new_with_keywords(machine: Machine, raw: bytes) -> None:
    machine.stack.pop()
    _reduce(machine, raw)


def _build(machine: Machine, raw: bytes) -> None:
    state = machine.stack.pop()
    match machine.stack[-1]:
        case Thing() as thing:
            thing.state = state
        case Global(name=name):
            machine.names[name] = True


def _persistent(machine: Machine, raw: bytes) -> None:
    saved = persistent(machine.stack.pop())
    machine.odd += saved is None
    if isinstance(saved, Storage):
        known = machine.storages.setdefault(saved.key, saved)
        if known.nbytes < saved.nbytes:
            machine.storages[saved.key] = saved
    machine.stack.append(saved)


def _persistent_text(machine: Machine, raw: bytes) -> None:
    machine.odd += 1
    machine.stack.append(None)


ACTIONS: Final[Mapping[str, Action]] = {
    "MARK": _mark, "STOP": _nothing, "POP": _pop, "POP_MARK": _pop_mark, "DUP": _dup, "PROTO": _protocol, "FRAME": _nothing,
    "NONE": _pushes(lambda _: None), "NEWTRUE": _pushes(lambda _: True), "NEWFALSE": _pushes(lambda _: False),
    "INT": _pushes(literals.whole), "LONG": _pushes(literals.whole), "FLOAT": _pushes(literals.real),
    "LONG1": _pushes(literals.long), "LONG4": _pushes(literals.long),
    "BININT": _integer("<i"), "BININT1": _integer("<B"), "BININT2": _integer("<H"), "BINFLOAT": _integer(">d"),
    "STRING": _pushes(literals.quoted), "UNICODE": _pushes(literals.escaped),
    "BINSTRING": _pushes(literals.text), "SHORT_BINSTRING": _pushes(literals.text),
    "BINUNICODE": _pushes(literals.text), "SHORT_BINUNICODE": _pushes(literals.text), "BINUNICODE8": _pushes(literals.text),
    "BINBYTES": _pushes(bytes), "SHORT_BINBYTES": _pushes(bytes), "BINBYTES8": _pushes(bytes), "BYTEARRAY8": _pushes(bytes),
    "NEXT_BUFFER": _pushes(lambda _: None), "READONLY_BUFFER": _nothing,
    "EMPTY_LIST": _pushes(lambda _: []), "EMPTY_SET": _pushes(lambda _: []), "EMPTY_TUPLE": _pushes(lambda _: ()),
    "EMPTY_DICT": _pushes(lambda _: Table()), "TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3),
    "TUPLE": _marked(tuple), "LIST": _marked(list), "FROZENSET": _marked(list),
    "DICT": _marked(lambda items: Table(_pairs(items))),
    "APPEND": _append, "APPENDS": _appends, "ADDITEMS": _appends, "SETITEM": _set_item, "SETITEMS": _set_items,
    "GET": _get(literals.index), "BINGET": _get(literals.little), "LONG_BINGET": _get(literals.little), "MEMOIZE": _memoize,
    "PUT": _put(literals.index), "BINPUT": _put(literals.little), "LONG_BINPUT": _put(literals.little),
    "GLOBAL": _global, "STACK_GLOBAL": _stack_global, "EXT1": _extension, "EXT2": _extension, "EXT4": _extension,
    "INST": _inst, "OBJ": _obj, "REDUCE": _reduce, "NEWOBJ": _reduce, "NEWOBJ_EX": _new_with_keywords, "BUILD": _build,
    "PERSID": _persistent_text, "BINPERSID": _persistent,
}  # fmt: skip
