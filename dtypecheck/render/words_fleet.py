"""A fleet in words: the sentence that says it all, the words of a count, and plain lines for logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TextIO

from ..dtypes import BY_NAME
from ..fleet.tally import Bad, Tally
from .words import clean, plural, size

VERDICTS: Final = {
    "error": "with errors",
    "warning": "with warnings",
    "note": "with notes only",
    "ok": "no findings",
    "nothing": "nothing to look at",
    "failed": "looking failed",
}
"""What a target may be, the worst first: a verdict, or why there is none."""
_PARTS: Final = ("components", "files", "tensors", "scripts")
_UNITS: Final = ((10**12, "T"), (10**9, "B"), (10**6, "M"))


def outcome(tally: Tally, name: str) -> int:
    """How many targets are one of VERDICTS."""
    return tally.outcomes[name] if name in ("nothing", "failed") else tally.verdicts[name]


def unseen(tally: Tally) -> int:
    """How many targets could not be looked at."""
    return tally.targets - tally.outcomes["judged"]


def sentence(tally: Tally) -> str:
    """The result in five seconds: how many are fine, how many are not, and how many nobody could look at."""
    if not tally.targets:
        return "no models"
    has = "has" if 1 in (tally.verdicts["ok"], tally.targets) else "have"
    first = f"{tally.verdicts['ok']:,} of {plural(tally.targets, 'model')} {has} no findings"
    found = [f"{tally.verdicts[name]:,} {VERDICTS[name]}" for name in ("error", "warning", "note") if tally.verdicts[name]]
    left = [f"{unseen(tally):,} could not be looked at"] if unseen(tally) else []
    return "; ".join([first, *([", ".join(found)] if found else []), *left])


def looked(tally: Tally) -> str:
    """How much was looked at; "" for nothing."""
    parts = [plural(tally.seen[name], name[:-1]) for name in _PARTS if tally.seen[name]]
    return ", ".join([*parts, *([size(tally.seen["bytes"])] if tally.seen["bytes"] else [])])


def worst(tally: Tally) -> str:
    """What the whole is coloured as."""
    names = ("error", "warning", "note")
    return next((name for name in names if tally.verdicts[name]), "warning" if unseen(tally) else "ok")


def short(dtype: str) -> str:
    """A dtype of our JSON as people read it: F16 is fp16."""
    known = BY_NAME.get(dtype)
    return known.short if known else dtype


def parameters(count: int) -> str:
    """A number of parameters as people say it: 860 M, 2.6 B; small ones in full."""
    for unit, name in _UNITS:
        if count >= unit:
            value = count / unit
            return f"{value:,.1f} {name}" if value < 10 else f"{value:,.0f} {name}"
    return f"{count:,}"


def counts(bad: Bad) -> str:
    """2 errors, 1 warning; what it is where it has neither."""
    found = [plural(n, word) for n, word in ((bad.errors, "error"), (bad.warnings, "warning")) if n]
    return ", ".join(found) or VERDICTS.get(bad.verdict, bad.verdict)


def concise(tally: Tally, stream: TextIO) -> None:
    """Plain lines for a log, the same everywhere: the worst targets, the tables, last the sentence."""
    for text in lines(tally):
        stream.write(clean(text) + "\n")


def lines(tally: Tally) -> Iterator[str]:
    """The lines of the concise form, each begins with what it is about."""
    for bad in tally.named():
        yield f"{bad.target}: {counts(bad)}: {bad.first}"
    if (rest := tally.verdicts["error"] + tally.verdicts["warning"] - len(tally.named())) > 0:
        yield f"and {plural(rest, 'model')} more with errors or warnings"
    for bad in tally.unseen():
        yield f"{bad.target}: {counts(bad)}: {bad.first}"
    if (rest := unseen(tally) - len(tally.unseen())) > 0:
        yield f"and {plural(rest, 'model')} more that could not be looked at"
    for code, found in tally.by_rule():
        by = ", ".join(f"{name} in {found[name]:,}" for name in ("error", "warning", "note") if found[name])
        yield f"rule {code} {tally.names.get(code, '')}: {by}; {plural(tally.findings[code], 'finding')}"
    for klass, found in tally.by_class():
        yield f"class {klass}: {_shares(found)}"
    for dtype, found in tally.by_dtype():
        yield f"dtype {short(dtype)}: {tally.parameters[dtype]:,} parameters in {_shares(found)}"
    if said := looked(tally):
        yield f"looked at {said}"
    yield sentence(tally)


def _shares(found: Mapping[str, int]) -> str:
    by = [f"{found[name]:,} {VERDICTS[name]}" for name in ("error", "warning") if found.get(name)]
    return ", ".join([plural(sum(found.values()), "model"), *by])
