"""What a script knows at one point: its names, its objects, and the conditions under which it got there."""

from __future__ import annotations

from dataclasses import dataclass

from ...subjects.cases import ALWAYS, Case, Value, both, joined
from ...subjects.scripts import Thing

Path = tuple[Case, ...]
_MOST_CASES = 12


@dataclass(slots=True)
class State:
    """scopes: names, the module's first. heap: objects by their numbers. path: a disjunction of cases."""

    scopes: list[dict[str, Value]]
    heap: dict[int, Thing]
    path: Path = (ALWAYS,)

    def copy(self, path: Path | None = None) -> State:
        """The same again, on a narrower path if one is given."""
        return State([dict(scope) for scope in self.scopes], dict(self.heap), self.path if path is None else path)

    @property
    def case(self) -> Case:
        """The conditions that hold in every case of the path."""
        return frozenset.intersection(*self.path)


def narrowed(path: Path, cases: list[Case]) -> Path:
    """A path on which also one of these cases holds; empty if none can."""
    found = dict.fromkeys(met for case in path for other in cases if (met := both(case, other)) is not None)
    if ALWAYS in found:
        return (ALWAYS,)
    return tuple(found) if len(found) <= _MOST_CASES else path


def join(left: State | None, right: State | None, path: Path | None = None) -> State | None:
    """Two branches together; one that ended is None. path: the one before they parted, if both go on."""
    if left is None or right is None or left is right:
        return left or right
    scopes = [_names(mine, theirs, left.path, right.path) for mine, theirs in zip(left.scopes, right.scopes, strict=False)]
    heap = dict(left.heap)
    for number, thing in right.heap.items():
        mine = heap.get(number)
        if mine is None:
            heap[number] = thing
        elif mine is not thing:
            heap[number] = _thing(mine, thing, left.path, right.path)
    merged = path or tuple(dict.fromkeys((*left.path, *right.path)))
    if len(merged) > _MOST_CASES:
        merged = (frozenset.intersection(*merged),)
    return State(scopes, heap, merged)


def _names(left: dict[str, Value], right: dict[str, Value], left_path: Path, right_path: Path) -> dict[str, Value]:
    found = dict(left)
    for name, theirs in right.items():
        mine = left.get(name)
        if mine is None:
            found[name] = theirs
        elif mine is not theirs:
            found[name] = joined(mine, left_path, theirs, right_path)
    return found


def _thing(left: Thing, right: Thing, left_path: Path, right_path: Path) -> Thing:
    return left.but(
        dtype=joined(left.dtype, left_path, right.dtype, right_path),
        fields=_names(dict(left.fields), dict(right.fields), left_path, right_path),
        flags=left.flags | right.flags,
        caster=left.caster if right.caster is None else right.caster,
    )
