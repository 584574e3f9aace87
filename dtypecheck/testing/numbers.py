"""The notation of what a watched run shows of its numbers: lines for producers, modules, pictures, and what came of options.

producer: inf vae.decoder.conv_in F16 Conv2d at step 2 | largest 61440 | before vae.mid F16 58112 | carried by 41 to vae.out
module: vae.decoder.conv_in Conv2d F16->F16 | weights F16 | 50 calls | largest 61000
picture: nan 1 of 2 at save black | by vae.decoder.conv_in | file out.png | call 2
departure: unet F16 0.31 | first unet.mid_block 0.12
healed: cast unet.x F32->F16 | 12 times | cost 12 casts, 3 MB | instead load text_encoder_2 in fp16

Behind a producer also `killed by MODULE`, `reaches COMPONENT`, `3 times`, `glue x.py:12`, `weights weight, bias`, `in aten.div`,
`inside unet.next`, `autocast`, and `replay precision largest 213000 needs 3.3 switch WORDS`. A module `-` is none.
"""

from __future__ import annotations

import re
from typing import Any, Final, get_args

from ..dtypes import BY_NAME, DType
from ..subjects.numbers import Departure, Fault, Frame, Healing, Look, Picture, Producer, Replay, Replayed
from ..subjects.shown import ModuleRow

_PICTURE: Final = re.compile(r"(?P<look>\S+) (?P<number>\d+) of (?P<of>\d+)(?: at (?P<seen>\w+))?(?: (?P<colour>.+))?")
_REPLAY: Final = re.compile(
    rf"(?P<verdict>{'|'.join(get_args(Replayed))})"
    r"(?: largest (?P<absmax>\S+))?(?: needs (?P<times>\S+))?(?: switch (?P<switch>.+))?"
)


def producer(head: str, rest: list[str]) -> Producer:
    """A producer out of its line. errors: ValueError for one that says nothing."""
    what, _, step = head.partition(" at step ")
    kind, module, dtype, *klass = what.split()
    if kind not in get_args(Fault):
        raise ValueError(f"a producer makes no {kind!r}")
    said: dict[str, Any] = {"klass": " ".join(klass), "before": ()}
    for text in rest:
        word, _, value = text.partition(" ")
        match word:
            case "largest":
                said["absmax_in"] = float(value)
            case "before":
                said["before"] += (_frame(value),)
            case "carried":
                count, _, to = value.removeprefix("by ").partition(" to ")
                said |= {"carried": int(count), "carried_to": to}
            case "killed":
                said["killed_by"] = value.removeprefix("by ")
            case "reaches" | "glue":
                said[word] = value
            case "in":
                said["operator"] = value
            case "inside":
                said["before_module"] = value
            case "autocast":
                said["autocast"] = True
            case "weights":
                said["weights"] = tuple(name.strip() for name in value.split(","))
            case "replay":
                said["replay"] = _replay(value)
            case _ if value == "times":
                said["times"] = int(word)
            case _:
                raise ValueError(f"a producer has no {text!r}")
    return Producer(_module(module), int(step or 1), BY_NAME[dtype], kind, **said)  # type: ignore[arg-type]


def module(head: str, rest: list[str]) -> ModuleRow:
    """What went through one module, out of its line. errors: ValueError for one that says nothing."""
    path, *klass, change = head.split()
    given, _, made = change.partition("->")
    said: dict[str, Any] = {"calls": 1}
    for text in rest:
        match text.split():
            case ["weights", dtype]:
                said["weights"] = BY_NAME[dtype]
            case ["largest", number]:
                said["absmax"] = float(number)
            case [number, "calls"]:
                said["calls"] = int(number)
            case _:
                raise ValueError(f"a module has no {text!r}")
    return ModuleRow(_module(path), dtype_in=_optional(given), dtype_out=_optional(made), klass=" ".join(klass), **said)


def picture(head: str, rest: list[str]) -> Picture:
    """A picture out of its line. errors: ValueError for one that says nothing."""
    match = _PICTURE.fullmatch(head)
    if not match or match["look"] not in get_args(Look):
        raise ValueError(f"not a picture: {head!r}")
    said: dict[str, Any] = {}
    for text in rest:
        word, _, value = text.partition(" ")
        if word not in ("by", "file", "call"):
            raise ValueError(f"a picture has no {text!r}")
        said[{"by": "producer", "file": "path"}.get(word, word)] = int(value) if word == "call" else value
    look: Any = match["look"]
    return Picture(look, int(match["number"]), int(match["of"]), match["seen"] or "decode", match["colour"] or "", **said)


def departure(head: str, rest: list[str]) -> Departure:
    """How far a component departs from float32, out of its line. errors: ValueError for one that says nothing."""
    component, dtype, error = head.split()
    first, off = "", "0"
    for text in rest:
        word, first, off = text.split()
        if word != "first":
            raise ValueError(f"a departure has no {text!r}")
    return Departure(component, BY_NAME[dtype], float(error), first, float(off))


def healed(head: str, rest: list[str]) -> Healing:
    """What a healing did, out of its line. errors: ValueError for one that says nothing."""
    what, path, change = head.split()
    given, _, to = change.partition("->")
    said: dict[str, Any] = {}
    for text in rest:
        word, _, value = text.partition(" ")
        if value == "times":
            said["times"] = int(word)
        elif word in ("cost", "instead"):
            said["cost" if word == "cost" else "permanent"] = value
        else:
            raise ValueError(f"a healing has no {text!r}")
    return Healing(_module(path), what, BY_NAME[given], BY_NAME[to], **said)


def _module(word: str) -> str:
    return "" if word == "-" else word


def _optional(name: str) -> DType | None:
    return BY_NAME[name] if name not in ("", "-") else None


def _frame(text: str) -> Frame:
    path, dtype, *largest = text.split()
    return Frame(path, BY_NAME[dtype], BY_NAME[dtype], None, float(largest[0]) if largest else None)


def _replay(text: str) -> Replay:
    match = _REPLAY.fullmatch(text)
    if not match:
        raise ValueError(f"not a replay: {text!r}")
    verdict: Any = match["verdict"]
    absmax, times = (float(match[name]) if match[name] else None for name in ("absmax", "times"))
    return Replay(verdict, absmax, times, match["switch"] or "")
