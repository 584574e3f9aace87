"""An explanation of a message for programs, as JSON, and for an issue or a chat, as Markdown."""

from __future__ import annotations

import json
from typing import Any

from ..messages.explain import Explanation
from ..messages.fill import fill
from ..messages.find import Found
from ..messages.rows import Row
from ..read.trace import Frame, Raised
from .explained import first_line, frames, labelled, parts
from .options import Out

VERSION = 1


def render(explanation: Explanation, out: Out, form: str) -> None:
    """form: json or markdown."""
    if form == "json":
        out.write(json.dumps(document(explanation), indent=2, allow_nan=False) + "\n")
    else:
        out.write(markdown(explanation))


def show_row(row: Row, out: Out, form: str) -> None:
    """The page of one row."""
    if form == "json":
        out.write(json.dumps(_row(row, None), indent=2, allow_nan=False) + "\n")
        return
    out.write(f"# {row.name}\n\n**{row.kind}** {fill(row.means)}\n\n{_block(row.says[0])}{_known(Explanation(row.says[0]), row)}")


def document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain dicts and lists; no key ever vanishes."""
    found, route = explanation.found, explanation.route
    return {
        "version": VERSION,
        "verdict": "known" if found else "unknown",
        "message": explanation.asked,
        "row": _row(found.row, explanation) if found else None,
        "operands": [{"role": o.role, "dtype": o.dtype.name, "from": o.made or None} for o in explanation.operands],
        "values": dict(found.values) if found else {},
        "devices": list(found.devices) if found else [],
        "times": found.times if found else 0,
        "module": explanation.module or None,
        "class": explanation.klass or None,
        "component": explanation.component or None,
        "operator": route.operator or None,
        "exception": _raised(explanation.raised) if explanation.raised and explanation.raised.kind else None,
        "frames": {
            "raised": _frame(route.raised),
            "library": _frame(route.inner if route.inner and route.inner.installed else None),
            "pipeline": _frame(route.pipeline),
            "script": _frame(route.script),
        },
        "chain": [_raised(raised) for raised in explanation.chain],
        "also": [_also(other) for other in explanation.also],
        "nearest": [{"name": row.name, "message": row.says[0]} for row in explanation.nearest],
    }


def _row(row: Row, explanation: Explanation | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "about": row.about,
        "means": explanation.means if explanation else fill(row.means),
        "because": list(explanation.because if explanation else map(fill, row.because)),
        "fix": list(explanation.do if explanation else map(fill, row.do)),
        "seen": list(row.seen),
        "messages": list(row.says),
        "why": row.why,
        "source": list(row.source),
    }


def _raised(raised: Raised) -> dict[str, Any]:
    return {"class": raised.kind, "message": raised.message, "link": raised.link or None}


def _frame(frame: Frame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    path = frame.place.removesuffix(f":{frame.line}") if frame.line else frame.place
    return {"path": path, "line": frame.line, "function": frame.function or None, "code": frame.code or None}


def _also(found: Found) -> dict[str, Any]:
    means = fill(found.row.means, found.operands, found.values)
    return {"name": found.row.name, "kind": found.row.kind, "message": found.says, "means": means, "times": found.times}


def markdown(explanation: Explanation) -> str:
    """What a person can paste into an issue: the first line, the message, and lists."""
    kind, rest = first_line(explanation)
    text = f"**{kind}** {rest}\n\n" + (_block(explanation.asked) if explanation.asked else "")
    row = explanation.row
    if row is None:
        return text + "".join(f"- {label}: {told}\n" for label, told in parts(explanation))
    facts = [f"{operand.role} {operand.dtype.short}" for operand in explanation.operands]
    told = [("dtypes", ", ".join(facts))] * bool(facts) + list(frames(explanation.route))
    text += "".join(f"- {label}: `{one}`\n" for label, one in told)
    return text + _known(explanation, row) + "".join(f"- also: {other.row.name}, {other.says}\n" for other in explanation.also)


def _known(explanation: Explanation, row: Row) -> str:
    filled = explanation.found is not None
    because = explanation.because if filled else tuple(map(fill, row.because))
    do = explanation.do if filled else tuple(map(fill, row.do))
    causes = "".join(f"- {told}\n" for _, told in labelled("", because))
    steps = "".join(f"{number}. {told}\n" for number, told in enumerate(do, 1))
    return f"\nWhy:\n\n{causes}\nWhat to do:\n\n{steps}\nSeen in {', '.join(row.seen)}. {row.why}\n"


def _block(text: str) -> str:
    fence = "```" if "```" not in text else "~~~~"
    return f"{fence}\n{text}\n{fence}\n\n"
