"""The pages of the rules: a list of them all, or one in full, for the terminal, as JSON or as Markdown."""

from __future__ import annotations

import json
from typing import Any

from .. import checks
from ..policy import UnknownRule
from ..rule import Rule, find, nearest, page, rules
from .options import Look, Out


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
        out.write(_markdown(rule))
    else:
        _terminal(rule, out, look)


def _data(rule: type[Rule]) -> dict[str, Any]:
    read = page(rule)
    keys = {"code": rule.code, "name": rule.name, "severity": rule.severity, "in_gate": rule.in_gate}
    return keys | {"summary": read.summary, "text": read.text, "bad": list(read.bad), "good": list(read.good)}


def _markdown(rule: type[Rule]) -> str:
    read = page(rule)
    examples = "".join(
        f"\n{kind}:\n\n```\n{body}```\n" for kind, bodies in (("Bad", read.bad), ("Good", read.good)) for body in bodies
    )
    return f"# {rule.code} {rule.name}\n\n**{rule.severity}** {read.summary}\n\n{read.text}\n{examples}"


def _terminal(rule: type[Rule], out: Out, look: Look) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(file=out, width=min(look.width, 110), force_terminal=look.colour, no_color=not look.colour)  # type: ignore[arg-type]
    console.print(Markdown(_markdown(rule)))
