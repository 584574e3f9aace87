"""The tensors inside a pickle's value, each under the path that leads to it.

Objects may share parts, hold themselves, or be nested without end: the walk follows no loop, and has limits on depth, steps and
the length of all keys together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from .pickle_calls import ROWS
from .pickle_values import Found, Global, Table, Thing
from .shown import shown

Path = tuple[str, ...]
Part = tuple[str | None, object]

STEPS: Final = 4_000_000
"""Values looked at, at most, each as often as a path leads to it."""
DEPTH: Final = 100
TENSORS: Final = 200_000
LETTERS: Final = 50_000_000
"""Tensors, and characters of all their keys together, at most."""
ROOTS: Final = ("state_dict", "model", "module", "params", "params_ema", "model_state_dict")
"""Top-level keys under which training programs save a model beside other things."""
_BESIDE: Final = (
    "optim",
    "opt_",
    "ema",
    "model_ema",
    "lr_",
    "sched",
    "scaler",
    "grad_",
    "loops",
    "callbacks",
    "rng",
    "random",
    "amp",
)
"""How top-level keys begin whose tensors belong to the training, not to the model."""
_HIDDEN: Final = frozenset({"_parameters", "_buffers", "_modules"})
"""Attributes of a pickled torch.nn.Module that its state dict's keys do not show."""


@dataclass(slots=True)
class Collected:
    """The tensors by key. inside: the top-level key they were all under, "" for none; elsewhere: what was left beside it.

    unread: why the walk ended early, "" when it did not.
    """

    tensors: dict[str, Found] = field(default_factory=dict)
    inside: str = ""
    elsewhere: str = ""
    unread: str = ""


def collect(value: object) -> Collected:
    """The tensors of a checkpoint's model. A model saved under a usual key beside optimizers and such is taken out of there."""
    result = Collected()
    rows: list[tuple[str, str, Found]] = []
    letters = 0
    for found in _walk(value):
        if isinstance(found, str):
            result.unread = found
            break
        path, tensor = found
        letters += sum(map(len, path))
        if letters > LETTERS or len(rows) == TENSORS:
            result.unread = f"it has more than {TENSORS:,} tensors" if len(rows) == TENSORS else "its keys are too long"
            break
        rows.append((path[0] if len(path) > 1 else "", ".".join(path), tensor))
    counts = Counter(root for root, _, _ in rows)
    result.inside = _root(counts)
    cut = len(result.inside) + 1 if result.inside else 0
    result.tensors = {key[cut:]: tensor for root, key, tensor in rows if not cut or root == result.inside}
    result.elsewhere = _listed({root: count for root, count in counts.items() if root != result.inside}) if cut else ""
    return result


def _root(counts: Counter[str]) -> str:
    """The top-level key that holds the model: a usual one, with at least as many tensors as all that is not training state."""
    named = [root for root in ROOTS if counts[root]]
    if not named:
        return ""
    rivals = sum(count for root, count in counts.items() if root not in ROOTS and not root.startswith(_BESIDE))
    best = max(named, key=lambda root: counts[root])
    return best if counts[best] >= rivals else ""


def _listed(counts: dict[str, int]) -> str:
    """`optimizer: 12 tensors, ema: 3 tensors`."""
    told = [f"{shown(root, 60) or 'top level'}: {count} tensor{'s' * (count != 1)}" for root, count in list(counts.items())[:10]]
    return ", ".join(told) + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")


def _walk(value: object) -> Iterator[tuple[Path, Found] | str]:
    """Every tensor with its path, depth first and in order; last, as a text, why something was left out, if it was.

    What was found to hold no tensor (no news: neither a tensor, nor a loop, nor a depth not entered) is not entered again.
    """
    if isinstance(value, Found):
        yield (), value
        return
    levels = [_parts(value)]
    above = [id(value)]
    names: list[str | None] = []
    seen = [0]
    barren: set[int] = set()
    news = 0
    deep = False
    for _ in range(STEPS):
        step = next(levels[-1], None)
        if step is None:
            levels.pop()
            done = above.pop()
            if seen.pop() == news:
                barren.add(done)
            if not levels:
                break
            names.pop()
            continue
        name, part = step
        if isinstance(part, Found):
            news += 1
            yield tuple(step for step in (*names, name) if step is not None), part
        elif isinstance(part, (Table, Thing, list, tuple)) and part and id(part) not in barren:
            if id(part) in above or len(levels) == DEPTH:
                news += 1
                deep = deep or id(part) not in above
                continue
            levels.append(_parts(part))
            above.append(id(part))
            names.append(name)
            seen.append(news)
    else:
        yield f"it has more than {STEPS:,} values"
        return
    if deep:
        yield f"it is nested deeper than {DEPTH} levels"


def _parts(value: object) -> Iterator[Part]:
    """The parts of a value by name; None for a name that a key does not show."""
    match value:
        case Table(pairs=pairs):
            return ((_name(key), part) for key, part in pairs)
        case list() | tuple():
            return ((str(index), part) for index, part in enumerate(value))
        case Thing(name=name, parts=parts) if name == ROWS:
            rows = parts[-1] if isinstance(parts[-1], (list, tuple)) else ()
            return ((_name(row[0]), row[1]) for row in rows if isinstance(row, (list, tuple)) and len(row) == 2)
        case Thing(parts=parts, state=state, items=items, table=table):
            return chain(_parts(parts), _attributes(state), _parts(items), _parts(table))
    return iter(())


def _attributes(state: object) -> Iterator[Part]:
    """The attributes that an object's state sets: a dict, or a dict and another one for slots."""
    match state:
        case Table(pairs=pairs):
            for key, part in pairs:
                hidden = isinstance(key, str) and key in _HIDDEN
                yield (None if hidden else _name(key)), part
        case (Table() | None as plain, Table() as slots):
            yield from chain(_parts(plain), _parts(slots))
        case list() | tuple():
            yield from _parts(state)


def _name(key: object) -> str:
    """A dict's key as text; only texts and numbers show their value, all else may be without end."""
    match key:
        case str():
            return key
        case int() | float() | None:
            return str(key)
        case bytes():
            return key.decode("utf-8", "backslashreplace")
        case Global(name=name):
            return name
    return f"({'tuple' if isinstance(key, tuple) else 'object'})"
