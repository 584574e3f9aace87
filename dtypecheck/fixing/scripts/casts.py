"""Remedies for casts: one that does harm is left out, and one that is missing at a boundary is put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...dtypes import F32
from ...subjects.scripts import Call, Thing, content
from .case import Case, Idea, Unfit, first
from .loads import cast_to, clash_of, loaded_in
from .page import Change, Page
from .pieces import before_method, before_statement, replaced, wrapped


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
    loader = case.script.call(target.loader) if target else None
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


def to_the_model(case: Case) -> Iterator[Idea]:
    """DT218: what a model is given is cast to the model's own dtype."""
    call = case.call
    page, node = case.found(call)
    row = case.known.row("inputs", call.target.klass or "") if call.target else {}
    owner = node.func if _is_path(node.func) else None
    if isinstance(owner, ast.Attribute) and owner.attr in ("forward", "generate"):
        owner = owner.value
    stars = [keyword.value for keyword in node.keywords if keyword.arg is None]
    for name, position in row.get("arguments", {}).items():
        given = case.node_of(call, call.argument(name, position=position)) or (stars[0] if len(stars) == 1 else None)
        if given is not None and owner is not None and f" given {name} in " in case.finding.message:
            method = f".to({page.source(owner)}.dtype)"
            yield Idea(f"{case.line(call)}: {method} behind {_short(page, given)}", tuple(wrapped(page, given, method)), "cast")


def float_before(case: Case) -> Iterator[Idea]:
    """DT207: `.float()` before `.numpy()`."""
    page, node = case.found(case.call)
    yield Idea(f"{case.line(case.call)}: .float() before .numpy()", (before_method(page, node, ".float()"),), "cast")


def to_the_vae(case: Case) -> Iterator[Idea]:
    """DT208: what a VAE is given by hand is cast to the VAE's own dtype."""
    changes, text = _cast_input(case, case.call)
    yield Idea(f"{case.line(case.call)}: {text}", changes, "cast")


def _cast_input(case: Case, call: Call) -> tuple[tuple[Change, ...], str]:
    """The cast of what a VAE is given, and how it is said. errors: Unfit where either is no plain expression."""
    page, node = case.found(call)
    given = case.node_of(call, call.argument("z", "x", "sample", "latents", position=0))
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if given is None or not _is_path(owner):
        raise Unfit("the VAE is no plain name")
    assert owner is not None  # noqa: S101
    method = f".to({page.source(owner)}.dtype)"
    return tuple(wrapped(page, given, method)), f"{method} behind {_short(page, given)}"


def _short(page: Page, node: ast.expr) -> str:
    text = " ".join(page.source(node).split())
    return text if len(text) <= 40 else text[:37] + "..."


def _is_path(node: ast.expr | None) -> bool:
    """True for a name and its attributes."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def own_limit(case: Case) -> Iterator[Idea]:
    """DT213: the limit of the tensor's own dtype in place of a constant that it cannot hold."""
    call = case.call
    page, node = case.found(call)
    given = case.node_of(call, call.argument("value", position=0 if call.what == ".fill_" else 1))
    numbers = [n for _, n in _given(call) if isinstance(n, (int, float))]
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    if given is None or not numbers or call.target is None or owner is None:
        return
    torch = case.spelling.torch(page, node)
    dtype = call.target.dtype.dtype
    if _is_path(owner):
        named, more = f"{page.source(owner)}.dtype", torch.changes
    elif dtype is not None:
        spelled = case.spelling.dtype(dtype, page, node)
        named, more = spelled.text, (*torch.changes, *spelled.changes)
    else:
        return
    new = f"{torch.text}.finfo({named}).{'min' if numbers[0] < 0 else 'max'}"
    text = f"{case.line(call)}: {new} in place of {_short(page, given)}"
    yield Idea(text, (*more, replaced(page, given, new)), "cast")


def _given(call: Call) -> list[tuple[object, object]]:
    argument = call.argument("value", position=0 if call.what == ".fill_" else 1)
    return list(argument.value.ways) if argument else []


def vae_in_fp32(case: Case) -> Iterator[Idea]:
    """DT215: the VAE is put in fp32, and what it is given by hand with it; inside an autocast that is switched off."""
    call, vae = case.call, case.call.target
    if vae is None:
        return
    if call.around:
        yield from first(_without_autocast(case, call))
        return
    loader = case.script.call(vae.loader)
    every = [c for c in case.script.calls if c.means in ("decode", "encode") and c.target and c.target.number == vae.number]
    given = [change for other in every if not _is_wide(other) for change in _cast_input(case, other)[0]]
    costs = "what it gives is fp32 then, and it takes twice the memory"
    if loader is not None and loader.result is not None and loader.result.number == vae.number and vae.caster is None:
        for idea in first(loaded_in(case, loader, F32)):
            yield Idea(f"{idea.change}, and what it is given cast to it", (*idea.changes, *given), "fp32", costs)
    page, node = case.found(call)
    spelled = case.spelling.dtype(F32, page, node)
    owner = page.source(node.func.value) if isinstance(node.func, ast.Attribute) and _is_path(node.func.value) else ""
    if owner:
        moved = before_statement(page, page.statement(node), f"{owner}.to({spelled.text})")
        text = f"{case.line(call)}: {owner}.to({spelled.text}) before it"
        yield Idea(text, (*spelled.changes, moved, *given), "fp32", costs)


def _is_wide(call: Call) -> bool:
    """Whether a VAE is given fp32 for sure."""
    argument = call.argument("z", "x", "sample", "latents", position=0)
    tensor = content(argument.value) if argument else None
    return isinstance(tensor, Thing) and tensor.dtype.dtype is F32


def _without_autocast(case: Case, call: Call) -> Iterator[Idea]:
    """A block in which autocast is off, around a statement of one line."""
    page, node = case.found(call)
    region = case.script.call(call.around[-1].loader)
    where, maker = case.found(region)
    device = next((item for item in maker.args[:1]), None) or next(
        (keyword.value for keyword in maker.keywords if keyword.arg == "device_type"), None
    )
    statement = page.statement(node)
    begin, end = page.span(statement)
    rest = page.text[end : page.line(max(begin, end - 1))[1]].strip()
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)) or (rest and rest[0] != "#"):
        raise Unfit("it stands in a statement that is more than a call")
    if device is None or not isinstance(device, ast.Constant):
        raise Unfit("the device of the autocast is not written there")
    torch = case.spelling.torch(page, node)
    unit = "\t" if page.indent(begin).endswith("\t") else "    "
    head = f"with {torch.text}.autocast({where.source(device)}, enabled=False):"
    block = before_statement(page, statement, head)
    given = () if _is_wide(call) else _cast_input(case, call)[0]
    yield Idea(f"{case.line(call)}: {head}", (*torch.changes, block._replace(new=block.new + unit), *given), "fp32")


def to_the_part(case: Case) -> Iterator[Idea]:
    """DT216: a tensor is cast to the dtype of the part that gets it, where the pipeline is called with it."""
    call = case.call
    page, node = case.found(call)
    if not _is_path(node.func) or not case.finding.component:
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
        yield Idea(f"{case.line(call)}: {method} behind {_short(page, given)}", tuple(wrapped(page, given, method)), "cast")
