"""The pages of the rules: a list of them all, or one in full, for the terminal, as JSON or as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from .. import checks
from ..policy import UnknownRule
from ..rule import Rule, find, nearest, page, rules
from .options import Look, Out

_NEAR: Final = 0.7
"""How alike a name of a message must be to be offered for a rule's."""


def list_rules(out: Out, form: str) -> None:
    """Every rule: code, severity, name and first line."""
    checks.load()
    if form == "json":
        out.write(json.dumps([_data(rule) for rule in rules()], indent=2) + "\n")
        return
    if form == "markdown":
        out.write("| code | severity | name | what it says |\n|---|---|---|---|\n")
    for rule in rules():
        cells = rule.code, rule.severity, rule.name, page(rule).summary
        text = "| " + " | ".join(cells) + " |" if form == "markdown" else f"{cells[0]}  {cells[1]:<8} {cells[2]:<28} {cells[3]}"
        out.write(text + "\n")


def is_rule(word: str) -> bool:
    """True for the code or the name of a rule."""
    checks.load()
    return find(word) is not None


def near_rule(word: str, others: Iterable[str] = ()) -> str | None:
    """The code or name, of a rule or one of the others, nearest to a word that is none."""
    checks.load()
    near = get_close_matches(word.lower(), others, n=1, cutoff=_NEAR)
    return nearest(word) or (near[0] if near else None)


def explain_rule(word: str, out: Out, form: str, look: Look) -> None:
    """One rule's page. errors: UnknownRule, which names the nearest."""
    checks.load()
    rule = find(word)
    if rule is None:
        near = nearest(word)
        raise UnknownRule(
            f"no rule is called {word!r}" + (f"; the nearest is {near}" if near else "; dtypecheck explain lists them")
        )
    if form == "json":
        out.write(json.dumps(_data(rule), indent=2) + "\n")
    elif form == "markdown":
        out.write(markdown(rule))
    else:
        _terminal(rule, out, look)


def _data(rule: type[Rule]) -> dict[str, Any]:
    read = page(rule)
    keys = {"code": rule.code, "name": rule.name, "severity": rule.severity, "in_gate": rule.in_gate}
    return keys | {"summary": read.summary, "text": read.text, "bad": list(read.bad), "good": list(read.good)}


def markdown(rule: type[Rule]) -> str:
    """A rule's page as Markdown."""
    read = page(rule)
    examples = "".join(
        f"\n{kind}:\n\n```\n{body}```\n" for kind, bodies in (("Bad", read.bad), ("Good", read.good)) for body in bodies
    )
    return f"# {rule.code} {rule.name}\n\n**{rule.severity}** {read.summary}\n\n{read.text}\n{examples}"


def _terminal(rule: type[Rule], out: Out, look: Look) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=out, width=min(look.width, 110), force_terminal=look.colour, no_color=not look.colour)  # type: ignore[arg-type]
    console.print(Markdown(markdown(rule)))
