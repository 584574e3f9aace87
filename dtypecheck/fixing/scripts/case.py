"""A finding in a script with all that a remedy for it may look at, and the idea that a remedy has."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ...dtypes import DType
from ...findings import Finding
from ...knowledge import Knowledge
from ...subjects import Request
from ...subjects.scripts import Argument, Call, Script, Span, Thing
from ..propose.case import Wish
from .document import Document
from .page import Change, Page
from .pieces import Unfit, added, removed, replaced, without_cast
from .spelling import Spelled, Spelling


@dataclass(frozen=True, slots=True)
class Idea:
    """What could be edited. change: in words; strategy: the word that --strategy knows it by; costs: what else follows."""

    change: str
    changes: tuple[Change, ...]
    strategy: str
    costs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A finding, the call it is about, and the script around it."""

    finding: Finding
    call: Call
    script: Script
    document: Document
    known: Knowledge
    request: Request
    wish: Wish

    @property
    def spelling(self) -> Spelling:
        """How this script spells things."""
        return Spelling(self.document)

    def about(self, call: Call) -> Case:
        """The same finding, about another call."""
        return replace(self, call=call)

    def found(self, call: Call | None) -> tuple[Page, ast.Call]:
        """The page and node of a call. errors: Unfit for a call that is written in no way that is edited."""
        page = self.document.pages.get(call.span.cell) if call else None
        node = page.call(call.span) if page and call else None
        if page is None or node is None:
            raise Unfit("the call cannot be found in the text")
        return page, node

    def node_of(self, call: Call, argument: Argument | None) -> ast.expr | None:
        """The value of an argument as it is written; None where there is none, or it came through `*` or `**`."""
        page, node = self.found(call)
        if argument is None or not argument.inner.line:
            return None
        spot = page.spot(argument.inner)
        items = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg)]
        return next((item for item in items if page.span(item) == spot and not isinstance(item, ast.Starred)), None)

    def expression(self, span: Span) -> tuple[Page | None, ast.expr | None]:
        """The page of a place and the expression that stands there; None where none does."""
        page = self.document.pages.get(span.cell)
        if page is None or not span.line or span.end_line >= len(page.starts):
            return None, None
        spot = page.spot(span)
        return page, next((n for n in ast.walk(page.tree) if isinstance(n, ast.expr) and page.span(n) == spot), None)

    def asked(self, call: Call) -> Argument | None:
        """The argument that names the dtype of what a call loads or casts to: the one that the libraries look at first."""
        named = call.argument("dtype") or call.argument("torch_dtype")
        if named is None and call.means == "cast":
            return next((argument for argument in call.arguments if any(argument.value.dtypes())), None)
        return named

    def spelled(self, dtype: DType, call: Call, like: Call | None = None) -> Iterator[Spelled]:
        """A dtype for an argument of `call`: what `like` is given for it, if that means the same there, then its own name.

        errors: Unfit where that of `like` hangs on a condition, so that one name would not do.
        """
        page, node = self.found(call)
        given = self.asked(like) if like else None
        if like is not None and given is not None and any(known is dtype for _, known in given.value.dtypes()):
            other, _ = self.found(like)
            expression = self.node_of(like, given)
            if expression is not None and self.spelling.reaches(expression, other, node, page):
                text = other.source(expression)
                yield Spelled(text if text.isprintable() else ast.unparse(expression), always=False)
            if given.value.dtype is None:
                raise Unfit(f"the dtype at {self.line(like)} hangs on a condition, and is out of reach here")
        yield self.spelling.dtype(dtype, page, node)

    def with_dtype(self, call: Call, spelled: Spelled, keyword: str = "") -> tuple[Change, ...]:
        """The changes that give a call this dtype. errors: Unfit where it gets its dtype through `**`, or from a condition."""
        page, node = self.found(call)
        given = call.argument(keyword) if keyword else self.asked(call)
        expression = self.node_of(call, given)
        if given is not None and spelled.always and any(given.value.dtypes()) and given.value.dtype is None:
            raise Unfit("its dtype hangs on a condition")
        if expression is not None:
            return (*spelled.changes, replaced(page, expression, spelled.text))
        if given is not None:
            raise Unfit("its dtype comes through ** or *")
        return (*spelled.changes, *added(page, node, keyword or self.spelling.keyword(node, page), spelled.text))

    def without(self, call: Call, name: str) -> tuple[Change, ...]:
        """The changes that take a keyword away. errors: Unfit where there is none."""
        page, node = self.found(call)
        for keyword in node.keywords:
            if keyword.arg == name:
                return (removed(page, node, keyword),)
        raise Unfit(f"{name} is not written in this call")

    def without_cast(self, call: Call) -> tuple[Change, ...]:
        """The changes that leave a cast out; a device in it stays. errors: Unfit where it names its dtype otherwise."""
        page, node = self.found(call)
        named = [argument for argument in call.arguments if argument.name == "dtype" or any(argument.value.dtypes())]
        spots = [page.spot(argument.span) for argument in named]
        given: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        dtypes = [item for item in given if page.span(item) in spots]
        return tuple(without_cast(page, node, dtypes))

    def line(self, call: Call) -> str:
        """`line 12`, or `cell 3 line 2`, for what is said of an edit."""
        return f"cell {call.span.cell} line {call.span.line}" if call.span.cell else f"line {call.span.line}"


Remedy = Callable[[Case], Iterator[Idea]]


def wished(request: Request) -> DType | None:
    """The dtype that was asked for on the command line, for what the script leaves open."""
    return request.dtypes.get("")


def matches(finding: Finding, script: Script) -> list[Call]:
    """The calls that a finding may be about, the ones with its text first."""
    here = [call for call in script.calls if call.where == finding.where]
    return sorted(here, key=lambda call: call.source != finding.source)


def first(*ideas: Iterable[Idea]) -> Iterator[Idea]:
    """The ideas of several sources; a source that does not fit the text has none."""
    for source in ideas:
        try:
            yield from source
        except Unfit:
            continue


def loaders(thing: Thing | None, script: Script) -> tuple[Call | None, Call | None]:
    """The calls that loaded a thing, and that cast it last."""
    if thing is None:
        return None, None
    return script.call(thing.loader), script.call(thing.caster)


__all__ = ["Case", "Idea", "Remedy", "Unfit", "first", "loaders", "matches", "wished"]
