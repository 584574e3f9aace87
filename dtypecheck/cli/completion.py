"""What may stand where the cursor is: rules, devices, dtypes, variants, for click's own completion in bash, zsh and fish.

Imported only while a shell asks: `eval "$(_DTYPECHECK_COMPLETE=bash_source dtypecheck)"` in a shell's start-up file turns it on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem, split_arg_string

Source = Callable[[], Iterator[tuple[str, str]]]
"""Words that an option takes, each with what it means."""

_VARIANT_FILE: Final = re.compile(r"[^.]+\.(?P<variant>[A-Za-z][\w-]*)(?:-\d{5}-of-\d{5})?\.(?:safetensors|bin)")
_USUAL_VARIANTS: Final = ("fp16", "bf16", "fp32")
_MOST_FILES: Final = 500
"""Files of a model that are looked at for variants: a key was pressed, and someone waits."""


def wire(group: click.Group) -> None:
    """Let every option and argument of every verb complete what it means."""
    for verb in group.commands.values():
        if isinstance(verb, click.Group):
            wire(verb)
        for given in verb.params:
            if isinstance(given, click.Argument) and given.type is click.STRING:
                given.type = Words(rules_and_messages) if given.name == "words" else Files()
            elif source := next((SOURCES[word] for word in given.opts if word in SOURCES), None):
                given.type = Words(source, listed=given.opts[0] in LISTED)


class Words(click.types.StringParamType):
    """A text of which the words are known. listed: several may stand behind each other, with commas."""

    name = "text"

    def __init__(self, source: Source, listed: bool = False) -> None:
        self.source = source
        self.listed = listed

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin as what is typed does, in either case."""
        done, typed = "", incomplete
        if self.listed:
            done = incomplete[: max(incomplete.rfind(","), incomplete.rfind("=")) + 1]
            typed = incomplete[len(done) :]
        words = {word: about for word, about in self.source() if word not in done.split(",")}
        return [
            CompletionItem(done + word, help=about) for word, about in words.items() if word.lower().startswith(typed.lower())
        ]


class Files(click.types.StringParamType):
    """A file or folder: the shell completes those itself."""

    name = "file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What tells the shell so."""
        return [CompletionItem(incomplete, type="file")]


def rules() -> Iterator[tuple[str, str]]:
    """Codes and names of rules, and the families of codes."""
    from .. import checks
    from ..rule import rules as registered

    checks.load()
    for family in sorted({rule.code[:3] for rule in registered()}):
        yield family, f"every rule whose code begins with {family}"
    for rule in registered():
        yield rule.code, rule.name
    for rule in registered():
        yield rule.name, rule.code


def rules_and_messages() -> Iterator[tuple[str, str]]:
    """What `explain` has a page of."""
    from ..verbs.explain import all_rows

    yield from ((word, about) for word, about in rules() if len(word) > len("DT0"))
    yield from ((row.name, "a message") for row in all_rows(()))


def devices() -> Iterator[tuple[str, str]]:
    """Names of devices, as people write them."""
    from ..knowledge import Knowledge

    yield "here", "this machine"
    for header, row in Knowledge().all("devices"):
        for word in (header, *row.get("aliases", ())):
            if " " not in word:
                yield word, header


def dtypes() -> Iterator[tuple[str, str]]:
    """What can be asked for: the usual three under all their names, then what weights are stored in too."""
    from ..dtypes import ALL, USUAL

    for dtype in (*USUAL, *(it for it in ALL if it.is_float and it.torch and it not in USUAL)):
        for word in (dtype.torch, dtype.short, *dtype.aliases):
            yield word, dtype.short


def variants() -> Iterator[tuple[str, str]]:
    """Those that the model named before has files of, then the usual ones."""
    for folder in _folders():
        for path in islice((*folder.glob("*.*"), *folder.glob("*/*.*")), _MOST_FILES):
            if found := _VARIANT_FILE.fullmatch(path.name):
                yield found["variant"], f"{folder.name} has it"
    yield from ((word, "a usual name") for word in _USUAL_VARIANTS)


def components() -> Iterator[tuple[str, str]]:
    """The components of the model named before."""
    for folder in _folders():
        for config in sorted(folder.glob("*/config.json")):
            yield config.parent.name, ""


def libraries() -> Iterator[tuple[str, str]]:
    """The libraries that a version can be given of."""
    from ..request import LIBRARIES

    yield from ((f"{name}==", "and a version") for name in LIBRARIES)


def evidence() -> Iterator[tuple[str, str]]:
    """What a gate can be told to insist on."""
    from ..settings import CHECKS

    yield from ((kind, "") for kind in CHECKS)


def _folders() -> Iterator[Path]:
    """The folders among the words on the line: click drops its arguments where the last option still lacks its value."""
    for word in split_arg_string(os.environ.get("COMP_WORDS", ""))[2:]:
        if os.path.isdir(word):  # noqa: PTH112 - Path's raises where a word is too long
            yield Path(word)


SOURCES: Final[Mapping[str, Source]] = {
    "--select": rules,
    "--ignore": rules,
    "--extend-select": rules,
    "--device": devices,
    "--dtype": dtypes,
    "--to": dtypes,
    "--variant": variants,
    "--as-variant": variants,
    "--component": components,
    "--lib": libraries,
    "--require": evidence,
}
LISTED: Final = ("--select", "--ignore", "--extend-select", "--dtype", "--require")
