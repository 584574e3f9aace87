"""`dtypecheck explain`: a message, a traceback or a log; the page of a rule or of a message; the list of all rules."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..policy import NOTHING, UnknownRule
from ..render.options import Look, Out
from .output import coloured, columns, has_folder, replace_file

if TYPE_CHECKING:
    from ..messages.rows import Row

_MOST: Final = 256_000_000
"""Bytes of standard input that are read."""
_NAME: Final = re.compile(r"DT\d\w*|[a-z0-9]+(?:-[a-z0-9]+)+", re.IGNORECASE)
"""What can only be meant as the code or the name of a rule."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[MESSAGE|TRACEBACK|CODE|NAME|-]")
@click.option("--output-format", type=click.Choice(("terminal", "json", "markdown")), default="terminal")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file.")
@click.option(
    "--rules-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True, help="More rows of messages."
)
@click.option("-q", "--quiet", is_flag=True, help="The first line alone.")
@click.option("-v", "--verbose", is_flag=True, help="Sources too.")
@click.option("--debug", is_flag=True, help="A traceback when dtypecheck itself fails.")
def explain(words: Sequence[str], output_format: str, output: Path | None, rules_dir: Sequence[Path], **options: Any) -> None:
    """Explain an error message, a whole traceback or log, or a rule; without anything, list the rules.

    \b
    dtypecheck explain "mat1 and mat2 must have the same dtype, but got Half and Float"
    python serve.py 2>&1 | dtypecheck explain
    dtypecheck explain - < log.txt
    dtypecheck explain DT110

    Exit codes: 0 explained, 2 wrong use, 3 no message that is known.
    """
    has_folder(output)
    text = _piped() if not words else _stdin() if tuple(words) == ("-",) else None
    out: Out = io.StringIO() if output else sys.stdout
    look = Look(options["verbose"] - options["quiet"], output is None and coloured(sys.stdout), columns())
    code = _listed(words, out, output_format, look, rules_dir) if text is None else None
    if code is None:
        code = _message(text if text is not None else " ".join(words), out, output_format, look, rules_dir)
    if output and isinstance(out, io.StringIO):
        replace_file(output, out.getvalue())
    sys.exit(code)


def _listed(words: Sequence[str], out: Out, form: str, look: Look, rules_dirs: Sequence[Path]) -> int | None:
    """The list of the rules, or pages; None if the words are neither codes nor names.

    errors: UnknownRule, which names the nearest, for a word that can be nothing else.
    """
    from ..render.pages import explain_rule, is_rule, list_rules, near_rule
    from ..verbs.explain import all_rows

    if not words:
        list_rules(out, form)
        return 0
    known = {row.name: row for row in all_rows(tuple(rules_dirs))}
    if not all(is_rule(word) or word.lower() in known for word in words):
        if len(words) == 1 and _NAME.fullmatch(words[0]):
            near = near_rule(words[0], known)
            raise UnknownRule(
                f"no rule is called {words[0]!r}" + (f"; the nearest is {near}" if near else "; dtypecheck explain lists them")
            )
        return None
    for word in words:
        if is_rule(word):
            explain_rule(word, out, form, look)
        else:
            _page(known[word.lower()], out, form, look)
    return 0


def _page(row: Row, out: Out, form: str, look: Look) -> None:
    from ..render import explained, explained_forms

    if form == "terminal":
        explained.show_row(row, out, look)
    else:
        explained_forms.show_row(row, out, form)


def _message(text: str, out: Out, form: str, look: Look, rules_dirs: Sequence[Path]) -> int:
    """Explain a text; exit code 3 where nothing in it is known."""
    from ..render import explained, explained_forms
    from ..verbs.explain import explain as explained_text

    found = explained_text(text, rules_dirs=rules_dirs)
    if form == "terminal":
        explained.render(found, out, look)
    else:
        explained_forms.render(found, out, form)
    return 0 if found.row else NOTHING


def _piped() -> str | None:
    """What is piped or redirected into the command; None where nothing is, or it is empty."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return None
    if sys.stdin is None or not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return None
    text = _stdin()
    return text if text.strip() else None


def _stdin() -> str:
    """Standard input, whatever bytes it is; only the first part of what does not end."""
    from ..read.trace import decode

    if sys.stdin is None:
        return ""
    data = sys.stdin.buffer.read(_MOST)
    if len(data) == _MOST:
        click.echo(f"dtypecheck: only the first {_MOST // 1_000_000} MB were read", err=True)
    return decode(data)
