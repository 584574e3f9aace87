"""One script in several processes: the same found in all of them is said once, and what only some had says which."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from ..findings import SEVERITIES, Finding
from ..subjects.shown import ModuleRow, Outcome, Run
from .words import listed

_Record = TypeVar("_Record")
_WORST: tuple[Outcome, ...] = ("crashes", "unknown", "runs")


def are_ranks(runs: Sequence[Run]) -> bool:
    """True for watched runs of one script, each in processes of its own."""
    ranks = [rank for run in runs for rank in run.ranks]
    apart = len(set(ranks)) == len(ranks) and all(run.ranks and run.how == "watched" for run in runs)
    return len(runs) > 1 and apart and len({run.script for run in runs}) == 1


def together(judged: Sequence[tuple[Run, Sequence[Finding]]]) -> list[Finding]:
    """The findings of all processes, equal ones once, as the worst of them says it."""
    groups: dict[tuple[Hashable, ...], list[tuple[Run, Finding]]] = {}
    for run, findings in judged:
        seen: dict[tuple[Hashable, ...], int] = {}
        for finding in findings:
            key = finding.code, finding.where, finding.source, finding.component
            seen[key] = seen.get(key, 0) + 1
            groups.setdefault((*key, seen[key]), []).append((run, finding))
    everybody = sorted(rank for run, _ in judged for rank in run.ranks)
    return [_one(having, everybody) for having in groups.values()]


def _one(having: Sequence[tuple[Run, Finding]], everybody: Sequence[int]) -> Finding:
    worst = min((finding for _, finding in having), key=lambda finding: SEVERITIES.index(finding.severity))
    ranks = sorted(rank for run, _ in having for rank in run.ranks)
    if ranks == everybody:
        return worst
    said = f"rank{'s' * (len(ranks) > 1)} {listed(map(str, ranks))} of {len(everybody)}"
    return replace(worst, message=f"{worst.message} (on {said})")


def merged(runs: Sequence[Run]) -> Run:
    """All processes as one run: whatever any of them showed, the worst verdict, the largest numbers."""
    first = min(runs, key=lambda run: _WORST.index(run.verdict))
    return replace(
        first,
        ranks=tuple(sorted(rank for run in runs for rank in run.ranks)),
        producers=_union((p for run in runs for p in run.producers), lambda p: (p.module, p.kind, p.glue)),
        events=_union((e for run in runs for e in run.events), lambda e: (e.kind, e.module, e.by)),
        modules=_rows(row for run in runs for row in run.modules),
        pictures=tuple(picture for run in runs for picture in run.pictures),
        departures=_union((d for run in runs for d in run.departures), lambda d: (d.component, d.dtype)),
        healed=_union((h for run in runs for h in run.healed), lambda h: (h.module, h.what, h.dtype)),
        limits=tuple(dict.fromkeys(text for run in runs for text in run.limits)),
        steps={name: max(run.steps.get(name, 0) for run in runs) for run in runs for name in run.steps},
        code=next((run.code for run in runs if run.code), 0),
    )


def _union(records: Iterable[_Record], key: Callable[[_Record], Hashable]) -> tuple[_Record, ...]:
    """The first record of each key, in the order they came."""
    found: dict[Hashable, _Record] = {}
    for record in records:
        found.setdefault(key(record), record)
    return tuple(found.values())


def _rows(rows: Iterable[ModuleRow]) -> tuple[ModuleRow, ...]:
    """One row a module: the calls of all, the largest magnitude of any."""
    found: dict[str, ModuleRow] = {}
    for row in rows:
        known = found.get(row.module)
        if known is None:
            found[row.module] = row
            continue
        largest = [value for value in (known.absmax, row.absmax) if value is not None]
        found[row.module] = replace(known, calls=known.calls + row.calls, absmax=max(largest, default=None))
    return tuple(found.values())
