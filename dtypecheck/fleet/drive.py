"""Targets in, rows out, in the order of the targets: what has not changed comes from the cache, what fails is tried by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..cache.store import Store
from .engines import Engine, Work
from .rows import Batch, Fault, Job, Row, unjudged

AGAIN: Final = 3
"""How often a target is tried by itself when whoever looks at it is killed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How targets are put together. size: targets a batch. key: what the result of a target is kept under."""

    size: int
    key: Callable[[str], bytes]


def drive(targets: Iterable[str], work: Work, engine: Engine, store: Store, plan: Plan) -> Iterator[Row]:
    """The rows of targets, each once, with text. What was found is kept as it comes: who is stopped goes on from there."""
    sent: deque[tuple[Batch, tuple[bytes, ...]]] = deque()

    def batches() -> Iterator[Batch]:
        for names in _batched(targets, plan.size):
            keys = tuple(map(plan.key, names))
            states = store.states(keys)
            batch = tuple(Job(name, states.get(key, "")) for name, key in zip(names, keys, strict=True))
            sent.append((batch, keys))
            yield batch

    for outcome in engine.run(work, batches()):
        batch, keys = sent.popleft()
        rows = outcome if isinstance(outcome, list) else list(_singly(batch, work, engine, outcome))
        yield from _whole(rows, keys, work, engine, store)


def _singly(batch: Batch, work: Work, engine: Engine, fault: Fault) -> Iterator[Row]:
    """The targets of a batch that failed, one by one."""
    for job in batch:
        outcome: list[Row] | Fault = fault
        for _ in range(AGAIN if fault.killed or len(batch) > 1 else 1):
            outcome = engine.alone(work, (job,))
            if isinstance(outcome, list) or not outcome.killed:
                break
        yield from outcome if isinstance(outcome, list) else [unjudged(job.target, outcome.why)]


def _whole(rows: Sequence[Row], keys: Sequence[bytes], work: Work, engine: Engine, store: Store) -> list[Row]:
    """The rows of a batch with the text of those that have not changed; what is new is kept."""
    same = [key for row, key in zip(rows, keys, strict=True) if row.text is None]
    kept = store.get(same) if same else {}
    new: list[tuple[bytes, str, bytes]] = []
    whole: list[Row] = []
    for given, key in zip(rows, keys, strict=True):
        row = given
        if row.text is None:
            state, text = kept.get(key, ("", b""))
            if state == row.state:
                whole.append(row._replace(text=text))
                continue
            # somebody else has kept something newer meanwhile, or the cache is gone
            (row,) = _singly((Job(row.target),), work, engine, Fault("", killed=True))
        if row.state and row.text is not None:
            new.append((key, row.state, row.text))
        whole.append(row)
    if new:
        store.put(new)
    return whole


def _batched(names: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    source = iter(names)
    while some := tuple(islice(source, size)):
        yield some
