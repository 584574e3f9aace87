"""The sum of a fleet: by rule, by class, by dtype, and the worst targets; tallies add, in any grouping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Final, NamedTuple

from .rows import classes_of, stored_in, unmuted

WORST: Final = 20
"""Targets that are named."""


class Bad(NamedTuple):
    """One of the worst targets. first: its worst finding, or why it could not be looked at."""

    errors: int
    warnings: int
    target: str
    verdict: str
    first: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Bad | None:
        """That of a row, None for one with nothing to say."""
        counts = row["counts"]
        if row["outcome"] != "judged":
            return cls(0, 0, row["target"], row["outcome"], row["why"] or "")
        found = unmuted(row["report"])
        if not counts["error"] and not counts["warning"]:
            return None
        return cls(counts["error"], counts["warning"], row["target"], row["verdict"], told(found[0]))


def _rank(bad: Bad) -> tuple[int, int, str]:
    """What they are sorted by: the worst first."""
    return -bad.errors, -bad.warnings, bad.target


def told(finding: Mapping[str, Any]) -> str:
    """A finding in a line: its rule, where it is, and what it says."""
    place = f"{finding['path']}: " if finding["path"] not in ("", ".") else ""
    return f"{finding['code']} {place}{finding['message']}"


@dataclass(slots=True)
class Tally:
    """What many rows say together. All numbers are of targets, but where a name says otherwise.

    outcomes, verdicts: by name. rules: per code, targets by severity; findings: per code; names: of the codes.
    classes: per class, targets by verdict. dtypes: per dtype, those that store it by verdict; parameters: per dtype.
    seen: pipelines, components, files, tensors, bytes. worst: of those with something to say; missed: of those that could
    not be looked at.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    rules: dict[str, Counter[str]] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Counter[str]] = field(default_factory=dict)
    dtypes: dict[str, Counter[str]] = field(default_factory=dict)
    parameters: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    worst: list[Bad] = field(default_factory=list)
    missed: list[Bad] = field(default_factory=list)

    @property
    def targets(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values())

    def take(self, row: Mapping[str, Any]) -> None:
        """One more row."""
        self.outcomes[row["outcome"]] += 1
        if bad := Bad.of(row):
            named = self.worst if row["outcome"] == "judged" else self.missed
            named.append(bad)
            if len(named) > 4 * WORST:
                named[:] = nsmallest(WORST, named, key=_rank)
        report, verdict = row["report"], row["verdict"]
        if report is None:
            return
        self.verdicts[verdict] += 1
        self.seen.update({name: count for name, count in report["seen"].items() if isinstance(count, int)})
        said: set[tuple[str, str]] = set()
        for finding in unmuted(report):
            self.findings[finding["code"]] += 1
            self.names[finding["code"]] = finding["name"]
            said.add((finding["code"], finding["severity"]))
        for code, severity in said:
            self.rules.setdefault(code, Counter())[severity] += 1
        for klass in classes_of(report):
            self.classes.setdefault(klass, Counter())[verdict] += 1
        for dtype, count in stored_in(report).items():
            self.dtypes.setdefault(dtype, Counter())[verdict] += 1
            self.parameters[dtype] += count

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.outcomes + other.outcomes,
            self.verdicts + other.verdicts,
            _sum(self.rules, other.rules),
            self.findings + other.findings,
            {**self.names, **other.names},
            _sum(self.classes, other.classes),
            _sum(self.dtypes, other.dtypes),
            self.parameters + other.parameters,
            self.seen + other.seen,
            nsmallest(WORST, self.worst + other.worst, key=_rank),
            nsmallest(WORST, self.missed + other.missed, key=_rank),
        )

    def by_rule(self) -> list[tuple[str, Counter[str]]]:
        """The codes with targets by severity, the worst first."""
        return _worst_first(self.rules)

    def by_class(self) -> list[tuple[str, Counter[str]]]:
        """The classes with targets by verdict, the worst first."""
        return _worst_first(self.classes)

    def by_dtype(self) -> list[tuple[str, Counter[str]]]:
        """The dtypes with targets by verdict, the one that most parameters are stored in first."""
        return sorted(self.dtypes.items(), key=lambda item: (-self.parameters[item[0]], item[0]))

    def named(self) -> list[Bad]:
        """The worst targets, the worst first, at most WORST."""
        return nsmallest(WORST, self.worst, key=_rank)

    def unseen(self) -> list[Bad]:
        """Targets that could not be looked at, by name, at most WORST."""
        return nsmallest(WORST, self.missed, key=_rank)


def _sum(one: Mapping[str, Counter[str]], other: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    return {name: one.get(name, Counter()) + other.get(name, Counter()) for name in (*one, *(n for n in other if n not in one))}


def _worst_first(found: Mapping[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    return sorted(found.items(), key=lambda item: (-item[1]["error"], -item[1]["warning"], -sum(item[1].values()), item[0]))
