"""The notation of runs: what a rehearsal or a watched run showed, a line for each thing.

run: crashes on cuda                                  runs, crashes or unknown, and the device; `watched crashes on cuda`
crash: unet.conv_in conv2d in denoise | input F32 vae (z) | weight F16 unet.conv_in.weight | says ... | glue x.py:12
stopped: unet.router: why nobody can say              where a run ended undecided, and why
event: promoted unet.mid add F16+F32->F32 | by text_encoder (prompt_embeds) | 1234 bytes | 12 downstream | by design
remedy: float16 runs                                  a request that was rehearsed too, and what came of it
stand-in: tokenizer: its files are not there          what was substituted
weights: unet 5135000000                              bytes of a component's parameters
steps: unet 50                                        how often a component was called
limit: unet was compiled before the watch             what could not be seen
script: serve.py as pipe                              the script, and its name for the pipeline
rank: 1                                               the process, of several
code: 1                                               the exit code of the script itself

Behind a crash also `script serve.py:14` and `not confirmed`; behind an event `3 times`; a role is a word of Operand. An event
without an operator has `-` in its place, one that changes no dtype leaves `->F32` out.
The lines for what a watched run shows of its numbers are in numbers.py.
The pipeline that ran is the one that the other lines of the example lay out, if they do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..dtypes import BY_NAME, F32
from ..request import dtypes
from ..subjects import Pipeline
from ..subjects.shown import Crash, Event, Operand, Outcome, Run, Tried
from . import numbers

_PLAIN: Final = ("run", "crash", "stopped", "event", "remedy", "stand-in", "weights", "steps", "limit", "script", "rank", "code")
_OF_NUMBERS: Final = {
    "producer": ("producers", numbers.producer),
    "module": ("modules", numbers.module),
    "picture": ("pictures", numbers.picture),
    "departure": ("departures", numbers.departure),
    "healed": ("healed", numbers.healed),
}
WORDS: Final = (*_PLAIN, *_OF_NUMBERS)
OUTCOMES: Final[tuple[Outcome, ...]] = ("runs", "crashes", "unknown")
ROLES: Final = ("input", "weight", "bias", "mask", "query", "key", "value", "source", "destination")
_PLACED: Final = re.compile(r"(?P<made>.*?)(?: at (?P<where>\S+:\d+))?")


def is_about_a_run(line: str) -> bool:
    """True for a line of this notation."""
    return line.partition(":")[0] in WORDS and ":" in line


@dataclass(frozen=True, slots=True)
class Shown:
    """What an example says of a run: everything but the pipeline."""

    fields: dict[str, Any]
    remedies: tuple[str, ...] = ()

    @classmethod
    def read(cls, lines: Iterable[str]) -> Shown:
        """Out of the lines of an example. errors: ValueError for one that says nothing."""
        found: dict[str, Any] = {"events": (), "substituted": (), "weight_bytes": {}, "steps": {}, "limits": (), "ranks": ()}
        found |= {name: () for name, _ in _OF_NUMBERS.values()}
        remedies: list[str] = []
        for line in lines:
            word, _, body = line.partition(":")
            match word, [part.strip() for part in body.split(" | ")]:
                case "run", [text]:
                    found |= _run(text)
                case "crash", [head, *rest]:
                    found["crash"] = _crash(head, rest)
                case "stopped", _:
                    module, _, reason = body.strip().partition(": ")
                    found |= {"module": module, "component": module.partition(".")[0], "reason": reason}
                case "event", [head, *rest]:
                    found["events"] += (_event(head, rest),)
                case "remedy", [text]:
                    remedies.append(text)
                case "stand-in", _:
                    found["substituted"] += (body.strip(),)
                case (("weights" | "steps"), [text]):
                    name, number = text.split()
                    found["steps" if word == "steps" else "weight_bytes"][name] = int(number)
                case "limit", _:
                    found["limits"] += (body.strip(),)
                case "script", [text]:
                    found["script"], _, found["variable"] = text.partition(" as ")
                case "rank", [text]:
                    found["ranks"] += (int(text),)
                case "code", [text]:
                    found["code"] = int(text)
                case _, [head, *rest] if word in _OF_NUMBERS:
                    name, made = _OF_NUMBERS[word]
                    found[name] += (made(head, rest),)
                case _:
                    raise ValueError(f"not a line about a run: {line!r}")
        if "verdict" not in found:
            raise ValueError("an example with a run says `run: runs on cuda` or the like")
        return cls(found, tuple(remedies))

    def run(self, pipeline: Pipeline | None) -> Run:
        """The run, of a pipeline or of one that nobody knows."""
        names = [component.name for component in pipeline.components] if pipeline else ["all of it"]
        return Run(**self.fields, remedies=tuple(_tried(text, names) for text in self.remedies), pipeline=pipeline)


def _run(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"(?:(?P<how>watched|rehearsed) )?(?P<verdict>\w+) on (?P<device>\w+)", text)
    if not match or match["verdict"] not in OUTCOMES:
        raise ValueError(f"not a run: {text!r}")
    return {"how": match["how"] or "rehearsed", "verdict": match["verdict"], "device": match["device"]}


def _crash(head: str, rest: list[str]) -> Crash:
    place, _, stage = head.partition(" in ")
    module, _, operator = place.partition(" ")
    said: dict[str, Any] = {"message": "", "stage": stage or "call"}
    operands = []
    for text in rest:
        word, _, value = text.partition(" ")
        if word in ROLES:
            name, _, made = value.partition(" ")
            operands.append(_operand(word, name, made))
        elif word in ("says", "glue", "script"):
            said["message" if word == "says" else word] = value
        elif text == "not confirmed":
            said["confirmed"] = False
        else:
            raise ValueError(f"a crash has no {text!r}")
    return Crash("" if module == "-" else module, operator, operands=tuple(operands), **said)


def _operand(role: str, dtype: str, made: str) -> Operand:
    match = _PLACED.fullmatch(made)
    text, where = (match["made"], match["where"] or "") if match else (made, "")
    first = text.partition(" ")[0].partition(".")[0]
    component = first if first.isidentifier() and first != "the" else ""
    return Operand(role, BY_NAME[dtype], text, component, where)


def _event(head: str, rest: list[str]) -> Event:
    kind, module, operator, change = head.split()
    given, _, to = change.partition("->")
    operator, module = ("" if word == "-" else word for word in (operator, module))
    more: dict[str, Any] = {}
    for text in rest:
        match text.split():
            case ["by", "design"]:
                more["by_design"] = True
            case ["by", *_]:
                more["by"] = text.removeprefix("by ")
            case [number, ("bytes" | "downstream" | "times") as what]:
                more["nbytes" if what == "bytes" else what] = int(number)
            case _:
                raise ValueError(f"an event has no {text!r}")
    dtypes_in = tuple(BY_NAME[name] for name in given.split("+"))
    return Event(kind, module, operator, dtypes_in, BY_NAME[to] if to else None, **more)


def _tried(text: str, names: list[str]) -> Tried:
    plan, _, word = text.rpartition(" ")
    verdict = next((outcome for outcome in OUTCOMES if outcome == word), None)
    if verdict is None:
        raise ValueError(f"not a remedy: {text!r}")
    asked = dtypes(plan)
    return Tried({name: asked.get(name, asked.get("", F32)) for name in names}, verdict)
