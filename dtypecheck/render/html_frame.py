"""What every page of ours stands in: its policy, its style and its script, all in the one file."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from .html_colours import by_family, variables
from .html_tags import Html, tag


def head(title: str, script: str, more: str = "") -> Html:
    """The head of a page, whose policy forbids it to load anything or to run any other script than its own.

    script: as it stands in its element behind a newline. more: styles of this page alone.
    """
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src '{_digest(script)}'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=f"{policy}; base-uri 'none'; form-action 'none'"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(f"\n{style('@media (prefers-color-scheme: dark)', '.dtypecheck')}{more}")),
    )


def style(when: str, dark: str) -> str:
    """The style sheet. when: the media query of the dark, "" if the selector `dark` alone says it."""
    night = f"{dark} {{ color-scheme: dark; {variables(True)} }}"
    night = f"{when} {{ {night} }}" if when else night
    day = f".dtypecheck {{ color-scheme: light; {variables(False)} }}"
    return f"{day}\n{night}\n@media print {{ {day} }}\n{by_family()}\n{read('html.css')}"


@cache
def read(name: str) -> str:
    """A style sheet or a script of ours."""
    return (files(__package__) / name).read_text("utf-8")


def _digest(script: str) -> str:
    """What the policy calls our script by: its bytes as they stand in the element."""
    return "sha256-" + b64encode(sha256(f"\n{script}".encode()).digest()).decode()
