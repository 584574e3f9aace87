"""`dtypecheck dev options`: every verb with its options as Markdown, made of what `--help` is made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from .output import read_or_not

SHARED = "scan"
"""The verb whose options of all verbs with a report are told once."""


@click.command()
@click.pass_context
def options(context: click.Context) -> None:
    """Every verb and its options, as the README shows them."""
    group = context.find_root().command
    with read_or_not(sys.stdout):
        click.echo("\n".join(lines(group, context)), nl=True)


def lines(group: click.Command, context: click.Context) -> Iterator[str]:
    """A heading and a table for every verb; the options that all verbs with a report have stand once, at the end."""
    verbs = {name: verb for name, verb in getattr(group, "commands", {}).items() if name != "dev" and not verb.hidden}
    told = {name: dict(_rows(verb, context)) for name, verb in verbs.items()}
    everywhere = {
        key: text for key, text in told[SHARED].items() if sum(rows.get(key) == text for rows in told.values()) > len(verbs) // 2
    }
    for name, verb in verbs.items():
        usage = " ".join(verb.collect_usage_pieces(context)).removeprefix("[OPTIONS] ")
        yield f"`dtypecheck {name} {usage}`\n"
        yield from _table({key: text for key, text in told[name].items() if everywhere.get(key) != text})
    yield "Everywhere:\n"
    yield from _table(everywhere)


def _rows(verb: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for option in verb.params:
        if isinstance(option, click.Option) and not option.hidden and (record := option.get_help_record(context)):
            yield record


def _table(rows: dict[str, str]) -> Iterator[str]:
    if rows:
        yield "| | |\n|---|---|"
        yield from (f"| `{name.replace('|', chr(92) + '|')}` | {_escaped(text)} |" for name, text in rows.items())
        yield ""


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
