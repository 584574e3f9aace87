"""What a rule is: one class whose docstring is its page, whose `check` is annotated with the subject it wants."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from . import subjects
from .findings import Finding, Fix, Severity, Where

if TYPE_CHECKING:
    from .knowledge import Knowledge

_RULES: dict[str, type[Rule]] = {}


class Rule:
    """Base of all rules. Subclassing registers; the class name in kebab-case is the rule's name.

    code: DT and three digits, in a plugin other letters and digits; never used twice.
    severity: the one it reports when the evidence does not say otherwise.
    in_gate: False for notes that a gate leaves out.
    """

    code: ClassVar[str] = ""
    severity: ClassVar[Severity] = "warning"
    in_gate: ClassVar[bool] = True
    wants: ClassVar[tuple[type, ...]] = ()
    name: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.code:
            return
        if cls.code in _RULES:
            raise TypeError(f"{cls.__name__} and {_RULES[cls.code].__name__} have the same code {cls.code}")
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()
        cls.wants = _wanted(cls)
        _RULES[cls.code] = cls

    def check(self, subject: Any, known: Knowledge) -> Iterator[Finding]:
        """Findings about one subject; the annotation of the parameter says which subjects come here."""
        raise NotImplementedError

    def finding(
        self,
        where: Where,
        message: str,
        *,
        severity: Severity | None = None,
        against: Where | None = None,
        because: str = "",
        says: str = "",
        fix: Fix | None = None,
        alternatives: tuple[str, ...] = (),
        source: str = "",
        component: str = "",
        also: tuple[str, ...] = (),
    ) -> Finding:
        """A finding of this rule. source: the text it stands on, for the fingerprint (default: none, place and code do).

        component: the one it is about, where the subject is a pipeline; also: further ones.
        """
        worst = severity or self.severity
        return Finding(
            self.code,
            self.name,
            worst,
            where,
            message,
            against,
            because,
            says,
            fix,
            alternatives,
            source=source,
            component=component,
            also=also,
        )


def _wanted(rule: type[Rule]) -> tuple[type, ...]:
    """The subject types that the second parameter of `check` is annotated with."""
    parameters = list(inspect.signature(rule.check).parameters.values())
    annotation = parameters[1].annotation if len(parameters) > 1 else inspect.Parameter.empty
    if isinstance(annotation, str):
        annotation = eval(annotation, {**vars(subjects), **vars(sys.modules[rule.__module__])})  # noqa: S307 - our own source
    wanted = get_args(annotation) or (annotation,)
    if not all(isinstance(kind, type) and kind.__module__.startswith(subjects.__name__) for kind in wanted):
        raise TypeError(f"{rule.__name__}.check must say which subject it wants, not {annotation!r}")
    return tuple(wanted)


def rules() -> tuple[type[Rule], ...]:
    """Every registered rule, by code."""
    return tuple(_RULES[code] for code in sorted(_RULES))


def find(word: str) -> type[Rule] | None:
    """The rule with this code or name."""
    return next((rule for rule in rules() if word.upper() == rule.code or word.lower() == rule.name), None)


def matching(word: str) -> tuple[str, ...]:
    """The codes that a selector (code, prefix or name) means; empty when it means none.

    A prefix holds all letters of the codes that it means: DT and DT1, but not D.
    """
    rule = find(word)
    if rule:
        return (rule.code,)
    start = word.upper()
    letters = start.rstrip("0123456789")
    return tuple(code for code in sorted(_RULES) if code.startswith(start) and code.rstrip("0123456789") == letters)


def nearest(word: str) -> str | None:
    """The code or name nearest to a word that is neither."""
    words = [*_RULES, *(rule.name for rule in rules())]
    start = word.upper()
    like_a_code = "-" not in word and any(start.startswith(letters) for letters in {code.rstrip("0123456789") for code in _RULES})
    near = get_close_matches(start if like_a_code else word.lower(), words, n=1, cutoff=0.4)
    return near[0] if near else None


@dataclass(frozen=True, slots=True)
class Page:
    """A rule's docstring, read: the first line, the words under it, and its examples as files."""

    summary: str
    text: str
    bad: tuple[str, ...]
    good: tuple[str, ...]


_EXAMPLE = re.compile(r"^```(bad|good)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(rule: type[Rule]) -> Page:
    """The page of a rule; the rule has one, or its test fails."""
    text = inspect.getdoc(rule) or _written(rule)
    summary, _, rest = text.partition("\n")
    examples = _EXAMPLE.findall(rest)
    return Page(
        summary,
        _EXAMPLE.sub("", rest).strip(),
        tuple(body for kind, body in examples if kind == "bad"),
        tuple(body for kind, body in examples if kind == "good"),
    )


def _written(rule: type[Rule]) -> str:
    """The docstring as the source has it: Python drops docstrings under -OO. Empty where there is no source."""
    import ast

    try:
        text = ast.get_docstring(ast.parse(inspect.getsource(rule)).body[0])  # type: ignore[arg-type]
    except (OSError, SyntaxError):
        return ""
    return text or ""
