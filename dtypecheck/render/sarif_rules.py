"""The rules that findings name, as SARIF describes them: the page of each is its help."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from .. import checks
from ..findings import Finding
from ..rule import Rule, find, page
from .pages import markdown
from .words import clean

_LINK: Final = re.compile(r"\[(?=[^\]]*\]\()")
"""What begins a link in the words of a message."""


def described(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Each rule once, by code. One that is not registered (of a report read from a file) has no more than its name."""
    checks.load()
    named = {finding.code: finding for finding in findings}
    return [_known(rule) if (rule := find(code)) else _unknown(named[code]) for code in sorted(named)]


def _known(rule: type[Rule]) -> dict[str, Any]:
    read = page(rule)
    return {
        "id": rule.code,
        "name": rule.__name__,
        "shortDescription": {"text": escaped(read.summary)},
        "fullDescription": {"text": escaped(read.text or read.summary)},
        "defaultConfiguration": {"level": rule.severity},
        "help": {"text": escaped(f"{read.summary}\n\n{read.text}".strip()), "markdown": markdown(rule)},
        "properties": {"tags": ["dtype", rule.name]},
    }


def _unknown(finding: Finding) -> dict[str, Any]:
    name = clean(finding.name)
    return {"id": finding.code, "name": name, "shortDescription": {"text": escaped(name or finding.code)}}


def escaped(text: str) -> str:
    """Plain text of a message in which nothing is a link: viewers make one of `[words](target)`."""
    return _LINK.sub(r"\\[", text)
