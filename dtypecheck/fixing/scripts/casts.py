"""Remedies for casts: one that does harm is left out, and one that is missing at a boundary is put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...dtypes import F32
from ...subjects.scripts import Call, Thing, content
from .case import Case, Idea, Unfit, first
from .choices import cast_to
from .loads import clash_of, loaded_in
from .page import Change, Page
from .pieces import before_method, is_path, short, wrapped


def leave_in_place(case: Case) -> Iterator[Idea]:
    """DT203: the cast that sets a part apart is left out, else made to the dtype of the rest."""
    clash = clash_of(case, "cast")
    call = clash.call if clash else None
    if clash is None or call is None:
        return
    yield from first(_left_out(case, call), cast_to(case, call, clash.others))


def _left_out(case: Case, call: Call) -> Iterator[Idea]:
    yield Idea(f"{case.line(call)}: {_words(case, call)} left out", case.without_cast(call), "cast")


def _words(case: Case, call: Call) -> str:
    """`.half()` of `pipe.vae.half()`."""
    page, node = case.found(call)
    end = page.span(node)[1]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    start = page.span(node.func)[1] - len(name)
    return "." + " ".join(page.text[start:end].split())


def cast_by_loading(case: Case) -> Iterator[Idea]:
    """DT205, DT227: the dtype of the cast is named where the model is loaded, and the cast left out."""
    call, target = case.call, case.call.target
    if target is None:
        raise Unfit("where what it makes goes to, the script does not say")
    loader = case.script.call(target.loader)
    dtype = next((dtype for _, dtype in call.result.dtype.dtypes() if dtype.is_half), None) if call.result else None
    if loader is None or dtype is None:
        return
    cast, words = case.without_cast(call), _words(case, call)
    loaded = loader.result.dtype.dtype if loader.result else None
    if loaded is dtype:
        yield Idea(f"{case.line(call)}: {words} left out", cast, "cast")
    elif loader.means == "load":
        for idea in loaded_in(case, loader, dtype, call):
            yield Idea(f"{idea.change}; {case.line(call)}: {words} left out", (*idea.changes, *cast), dtype.short)


def not_cast(case: Case) -> Iterator[Idea]:
    """DT217: a cast of what must not be cast is left out."""
    yield from _left_out(case, case.call)


def sampled_in_fp32(case: Case) -> Iterator[Idea]:
    """DT232: a model that is still trained is not cast; what it is part of runs in fp32 then."""
    if case.call.means != "cast":
        raise Unfit("who samples in half has to copy the model first")
    words = _words(case, case.call)
    text = f"{case.line(case.call)}: the dtype of {words} left out"
    yield Idea(text, case.without_cast(case.call), "cast", ("it runs in fp32 then",))


def to_the_model(case: Case) -> Iterator[Idea]:
    """DT218: what a model is given is cast to the model's own dtype."""
    call = case.call
    page, node = case.found(call)
    row = case.known.row("inputs", call.target.klass or "") if call.target else {}
    owner = node.func if is_path(node.func) else None
    if isinstance(owner, ast.Attribute) and owner.attr in ("forward", "generate"):
        owner = owner.value
    stars = [keyword.value for keyword in node.keywords if keyword.arg is None]
    for name, position in row.get("arguments", {}).items():
        given = case.node_of(call, call.argument(name, position=position)) or (stars[0] if len(stars) == 1 else None)
        if given is not None and owner is not None and f" given {name} in " in case.finding.message:
            method = f".to({page.source(owner)}.dtype)"
            yield Idea(f"{case.line(call)}: {method} behind {short(page, given)}", tuple(wrapped(page, given, method)), "cast")


def float_before(case: Case) -> Iterator[Idea]:
    """DT207: `.float()` before `.numpy()`."""
    page, node = case.found(case.call)
    yield Idea(f"{case.line(case.call)}: .float() before .numpy()", (before_method(page, node, ".float()"),), "cast")


def to_the_vae(case: Case) -> Iterator[Idea]:
    """DT208: what a VAE is given by hand is cast to the VAE's own dtype."""
    changes, text = cast_input(case, case.call)
    yield Idea(f"{case.line(case.call)}: {text}", changes, "cast")


def cast_input(case: Case, call: Call) -> tuple[tuple[Change, ...], str]:
    """The cast of what a VAE is given, and how it is said. errors: Unfit where either is no plain expression."""
    page, node = case.found(call)
    given = case.node_of(call, call.argument("z", "x", "sample", "latents", position=0))
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if given is None or owner is None or not is_path(owner):
        raise Unfit("the VAE is no plain name")
    method = f".to({page.source(owner)}.dtype)"
    return tuple(wrapped(page, given, method)), f"{method} behind {short(page, given)}"


def to_the_part(case: Case) -> Iterator[Idea]:
    """DT216: a tensor is cast to the dtype of the part that gets it, where the pipeline is called with it."""
    call = case.call
    page, node = case.found(call)
    if not is_path(node.func) or not case.finding.component:
        return
    if case.finding.message.startswith("prompt_embeds "):
        yield from _embeds(case, page, node.func)
        return
    for name, row in case.known.all("given"):
        argument = call.argument(name)
        meant = row["to"] == case.finding.component and case.finding.message.startswith(f"{name} ")
        if argument is None or not meant or (call.target and call.target.klass not in row["pipelines"]):
            continue
        given = case.node_of(call, argument)
        if given is None:
            raise Unfit(f"{name} comes through **")
        method = f".to({page.source(node.func)}.{row['to']}.dtype)"
        yield Idea(f"{case.line(call)}: {method} behind {short(page, given)}", tuple(wrapped(page, given, method)), "cast")


def _embeds(case: Case, page: Page, owner: ast.expr) -> Iterator[Idea]:
    """The embeddings of a prompt, all that the call is given, in the dtype of the part that gets them."""
    method = f".to({page.source(owner)}.{case.finding.component}.dtype)"
    changes: list[Change] = []
    cast: list[str] = []
    for argument in case.call.arguments:
        node = case.node_of(case.call, argument) if argument.name.endswith("prompt_embeds") else None
        if node is not None and not (isinstance(node, ast.Constant) and node.value is None):
            changes += wrapped(page, node, method)
            cast.append(short(page, node))
    if cast:
        yield Idea(f"{case.line(case.call)}: {method} behind {', '.join(cast)}", tuple(changes), "cast")


def is_wide(call: Call) -> bool:
    """Whether a VAE is given fp32 for sure."""
    argument = call.argument("z", "x", "sample", "latents", position=0)
    tensor = content(argument.value) if argument else None
    return isinstance(tensor, Thing) and tensor.dtype.dtype is F32
