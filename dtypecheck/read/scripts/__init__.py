"""Scripts without running them: files and notebooks to Script records, by a walk over their syntax trees."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from ...files import Entry, Files
from ...findings import Where
from ...knowledge import Knowledge
from ...subjects import Pipeline, Problem, Request
from ...subjects.scripts import Script, Thing
from .base import Exhausted, Meanings
from .contents import Ref
from .source import BROKEN_SCRIPT, SUFFIXES, read_source
from .uncalled import Uncalled

__all__ = ["BROKEN_SCRIPT", "SUFFIXES", "ScriptReader"]

Resolve = Callable[[str], Pipeline | None]


class Models(Mapping[str, Pipeline]):
    """What the names of models in a script stand for, looked up when one is met."""

    def __init__(self, resolve: Resolve | None) -> None:
        self.resolve = resolve
        self.found: dict[str, Pipeline | None] = {}

    def __getitem__(self, name: str) -> Pipeline:
        if name not in self.found:
            self.found[name] = self.resolve(name) if self.resolve else None
        found = self.found[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


class ScriptReader:
    """Reads scripts of one place. resolve: from what a script calls a model to its scanned pipeline, None where there is none."""

    def __init__(self, files: Files, known: Knowledge, request: Request, resolve: Resolve | None = None) -> None:
        self.files, self.known, self.request = files, known, request
        self.models = Models(resolve)

    @cached_property
    def meanings(self) -> Meanings:
        """What names mean in scripts; of a place without any, nobody asks."""
        return Meanings(self.known)

    def read(self, entry: Entry, arguments: Sequence[str] = ()) -> tuple[Script | None, tuple[Problem, ...]]:
        """One file, and what is wrong with it; no Script where it has nothing to do with dtypes. arguments: the script's own."""
        source = read_source(self.files, entry)
        if source is None:
            return None, ()
        walk = Uncalled(source, self.known, self.meanings, self.request, arguments, self.models)
        try:
            with Deeper():
                for cell, tree in source.trees:
                    walk.begin(cell)
                    walk.body(tree.body)
                walk.rest()
        except Exhausted:
            pass
        except RecursionError:
            detail = "it is nested too deeply: what stands behind that was not looked at"
            source.problems.append(Problem(BROKEN_SCRIPT, Where(source.path), detail))
        script = Script(source.path, source.texts, tuple(walk.calls), tuple(_pipelines(walk)), self.request.device or "")
        return (script if source.trees else None), tuple(source.problems)


def _pipelines(walk: Uncalled) -> Iterator[tuple[Thing, int | None]]:
    """Each pipeline as it was when it ran; those that never ran in the end."""
    yield from walk.runs
    for number, thing in walk.state.heap.items():
        if thing.kind == "pipeline" and number not in walk.ran:
            yield walk.snapshot(Ref(number)), None


class Deeper:
    """Room for scripts that are nested more deeply than ours: each level of theirs is several of ours."""

    def __enter__(self) -> None:
        self.before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(self.before, 3000))

    def __exit__(self, *_: object) -> None:
        sys.setrecursionlimit(self.before)
