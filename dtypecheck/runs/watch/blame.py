"""Why two dtypes met, and what to do: the part that is in another dtype than the rest is asked where it has that from."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...checks.words import OWN, listed, strangers
from ...dtypes import F32, DType
from ...subjects.shown import Crash, Operand
from .names import Names, Root, main_dtype
from .odd import odd_part, told_of
from .story import Story, remedy, why

Stories = Callable[[Any], Story | None]


def blamed(crash: Crash, root: Root | None, names: Names, stories: Stories) -> Crash:
    """The crash with why the dtypes differ and the remedy, as far as anybody saw. root: where it happened."""
    held = next((operand.dtype for operand in crash.operands if operand.role in OWN), None)
    root = root if held else None
    stranger = next(iter(strangers(crash)), None)
    if stranger is not None and held is not None and (told := _by_part(crash, root, held, stranger, names, stories)):
        return told
    rest = _usual(names, root)
    if root is not None and held is not None and rest is not None and held is not rest and stranger and stranger.dtype is rest:
        return _of(crash, root, held, rest, stories)
    giver = _root(stranger.component, root, names) if stranger else None
    if giver is not None and stranger is not None and held is not None and stranger.dtype.is_half and giver.main is F32 is held:
        text = f"{giver.name} has fp32 weights and ran inside torch.autocast, which was left before {crash.module} was called"
        return replace(crash, why=text, remedy=f"call it inside torch.autocast too, or cast what {giver.name} gives: .float()")
    if giver is not None and stranger is not None and held is not None and held.is_wide:
        return _of(crash, giver, stranger.dtype, held, stories)
    if stranger is not None and held is not None and held.is_wide:
        return replace(crash, remedy=_cast(stranger, held))
    return crash


def _by_part(crash: Crash, root: Root | None, held: DType, stranger: Operand, names: Names, stories: Stories) -> Crash | None:
    """One part of the component differs from the rest: the module that crashed, or the one that made what it was given."""
    odd = odd_part(root, crash.module, held, names)
    if odd is None or odd.rest is not stranger.dtype:
        odd = odd_part(root, stranger.made, stranger.dtype, names)
    if odd is None or odd.rest not in (held, stranger.dtype):
        return None
    return told_of(odd, crash, stories)


def _of(crash: Crash, root: Root, now: DType, wanted: DType, stories: Stories) -> Crash:
    story = stories(root.module())
    what = f"{root.name}.to(torch.{wanted.torch})"
    if story is None:
        return replace(crash, remedy=f"cast it: {root.variable + '.' if root.variable and root.is_component else ''}{what}")
    said = why(story, now, wanted)
    return replace(
        crash,
        why=f"{root.name} was {said}" if said and not said.startswith(root.name) else said,
        remedy=remedy(story, now, wanted),
    )


def _usual(names: Names, root: Root | None) -> DType | None:
    """The dtype that most of the other components of its pipeline have, None without others."""
    if root is None or root.pipeline is None:
        return None
    mains = []
    for other in names.roots:
        module = other.module()
        if other is not root and other.pipeline is not None and other.pipeline() is root.pipeline() and module is not None:
            mains.append(main_dtype(module))
    counts = Counter(dtype for dtype in mains if dtype is not None)
    return counts.most_common(1)[0][0] if counts else None


def _root(name: str, beside: Root | None, names: Names) -> Root | None:
    """The root of that name: in the same pipeline if there are several, else the one met last."""
    found = [root for root in names.roots if root.name == name and root.module() is not None]
    same = [root for root in found if beside is not None and root.pipeline is beside.pipeline]
    return next(iter([*same, *reversed(found)]), None)


def _cast(stranger: Operand, wanted: DType) -> str:
    to = f".to(torch.{wanted.torch})"
    if stranger.made.startswith("the argument "):
        name = stranger.made.removeprefix("the argument ").partition(" ")[0]
        return f"pass {name}{to}" + (f": it was made at {stranger.where}" if stranger.where else "")
    if stranger.where and stranger.where.partition("/")[0] not in sys.modules:  # a library's line is not the user's to change
        return f"make it in {wanted.short} at {stranger.where}: {to}"
    return f"cast what goes in: {to}"


def note(crash: Crash, variable: str) -> str:
    """The lines that stand under the user's own traceback. variable: the script's name for the pipeline."""
    inside = variable and crash.module and crash.module != variable and not crash.module.startswith(f"{variable}.")
    module = f"{variable}.{crash.module}" if inside else crash.module
    own = [operand for operand in crash.operands if operand.role in OWN]
    others = strangers(crash)
    weights = listed(operand.dtype.short for operand in own) if own else ""
    given = listed(operand.dtype.short for operand in others) if others else ""
    if own and others:
        first = f"{module} has {weights} weights and was given {given}"
    elif len({operand.dtype for operand in own}) > 1:
        first = f"{module} holds {listed(f'{operand.dtype.short} {operand.role}' for operand in own)}"
    elif others:
        first = f"{module or crash.glue} was given {listed(f'{operand.dtype.short} {operand.role}' for operand in others)}"
    else:
        first = f"{module or crash.glue or 'the code between components'} met dtypes that do not fit"
    lines = [first]
    for operand in others:
        if operand.made and own:
            lines.append(f"the {operand.dtype.short} comes from {operand.made}" + _at(operand))
    lines += [f"why: {crash.why}"] * bool(crash.why)
    lines += [f"called at {crash.script}" + (f" through {crash.glue}" if crash.glue else "")] * bool(crash.script)
    lines += [f"fix: {crash.remedy}"] * bool(crash.remedy)
    return "dtypecheck: " + "\n            ".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _at(operand: Operand) -> str:
    return f", made at {operand.where}" if operand.where and operand.where not in operand.made else ""
