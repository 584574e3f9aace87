"""Remedies for what is loaded in the wrong dtype: the argument that names it is added, changed or left out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...checks.clashes import Clash, clashes
from ...dtypes import F32, DType, parse
from ...subjects.scripts import Call, Thing, content
from .case import Case, Idea, Unfit, loaders, wished
from .page import Change
from .pieces import replaced


def clash_of(case: Case, how: str) -> Clash | None:
    """The crash that a finding tells."""
    found = [c for c in clashes(case.script, case.known) if c.how == how and c.part == case.finding.component]
    return next((clash for clash in found if clash.call and clash.call.where == case.finding.where), None)


def as_the_rest(case: Case) -> Iterator[Idea]:
    """DT201: load a part in the dtype of the pipeline it is put in."""
    clash = clash_of(case, "loaded")
    if clash is None or clash.call is None:
        return
    yield from loaded_in(case, clash.call, clash.others, clash.loader)


def loaded_in(case: Case, call: Call, dtype: DType, like: Call | None = None) -> Iterator[Idea]:
    """Ideas that give a call that loads, or builds, a dtype."""
    page, node = case.found(call)
    for spelled in case.spelled(dtype, call, like):
        if call.means in ("load", "derive"):
            name = next((k.arg for k in node.keywords if k.arg in ("dtype", "torch_dtype")), "") or case.spelling.keyword(
                node, page
            )
            changes = case.with_dtype(call, spelled)
            was = case.asked(call)
            text = f"{name}={spelled.text}" + (f" in place of {case.script.text(was.inner)}" if was else "")
        else:
            end = page.span(node)[1]
            changes = (*spelled.changes, Change(page.cell, end, end, f".to({spelled.text})"))
            text = f".to({spelled.text})"
        yield Idea(f"{case.line(call)}: {text}", changes, dtype.short)


def no_text(case: Case) -> Iterator[Idea]:
    """DT202: a dtype of torch in place of its name; where the name is "auto", the one asked for on the command line."""
    call = case.call
    argument = case.asked(call)
    expression = case.node_of(call, argument)
    page, node = case.found(call)
    if expression is None or argument is None:
        return
    texts = [leaf for leaf in _leaves(expression) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)]
    changes: list[Change] = []
    spelled_as: list[str] = []
    dtype: DType | None = None
    for leaf in texts:
        dtype = parse(str(leaf.value)) or wished(case.request)
        if dtype is None or not dtype.torch:
            raise Unfit(f"nobody but you knows which dtype {leaf.value!r} should be; --dtype bf16 says it")
        spelled = case.spelling.dtype(dtype, page, node)
        changes += [*spelled.changes, replaced(page, leaf, spelled.text)]
        spelled_as.append(spelled.text)
    if texts and dtype:
        old = ", ".join(page.source(leaf) for leaf in texts)
        yield Idea(f"{case.line(call)}: {', '.join(spelled_as)} in place of {old}", tuple(changes), dtype.short)
    texts_of = [way for _, way in argument.value.ways]
    if not texts and all(isinstance(way, str) and (known := parse(way)) and known.torch == way for way in texts_of):
        torch = case.spelling.torch(page, node)
        new = f"getattr({torch.text}, {page.source(expression)})"
        named = parse(str(texts_of[0]))
        yield Idea(
            f"{case.line(call)}: {new} in place of {page.source(expression)}",
            (*torch.changes, replaced(page, expression, new)),
            named.short if named else "fp32",
        )


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    """What a conditional expression may be."""
    if isinstance(node, ast.IfExp):
        yield from (*_leaves(node.body), *_leaves(node.orelse))
    else:
        yield node


def one_in_the_dict(case: Case) -> Iterator[Idea]:
    """DT204: one dtype for the two parts of a dict that do not get on."""
    clash = clash_of(case, "dict")
    if clash is None or clash.call is None:
        return
    call = clash.call
    page, _ = case.found(call)
    given = case.node_of(call, case.asked(call))
    if not isinstance(given, ast.Dict):
        raise Unfit("the dict of dtypes stands somewhere else")
    entries = {
        str(key.value): value for key, value in zip(given.keys, given.values, strict=True) if isinstance(key, ast.Constant)
    }
    names = (clash.met.taker.name, clash.met.giver.name)
    named = [name for name in names if name in entries]
    if "default" not in entries and None not in given.keys:
        for name in named:
            last = page.span(given.values[-1])[1]
            new = f', "default": {page.source(entries[name])}'
            yield Idea(f"{case.line(call)}: {new[2:]} in the dict", (Change(page.cell, last, last, new),), _short(clash, name))
    for name in ("default", *names):
        for other in (*names, "default"):
            if name in entries and other in entries and page.source(entries[name]) != page.source(entries[other]):
                change = replaced(page, entries[name], page.source(entries[other]))
                text = f'{case.line(call)}: "{name}": {page.source(entries[other])} in place of {page.source(entries[name])}'
                yield Idea(text, (change,), _short(clash, other))


def _short(clash: Clash, name: str) -> str:
    return (clash.met.has if name == clash.met.taker.name else clash.met.given).short


def trained_in_fp32(case: Case) -> Iterator[Idea]:
    """DT209, DT214: the model that is trained stays in fp32: no cast of it, or it is loaded so."""
    model = _model(case)
    loader, caster = loaders(model, case.script)
    costs = ("the forward pass then wants torch.autocast, or inputs in fp32",)
    if model is None or loader is None:
        return
    cast: tuple[Change, ...] = ()
    text = ""
    if caster is not None:
        cast, text = case.without_cast(caster), f"{case.line(caster)}: no cast to a half dtype"
        yield Idea(text, cast, "fp32", costs)
    for idea in loaded_in(case, loader, F32):
        whole = f"{text}; {idea.change}" if text else idea.change
        yield Idea(whole, (*cast, *idea.changes), "fp32", costs)


def _model(case: Case) -> Thing | None:
    """The model whose parameters an optimizer has, of the finding's call or of its scaler's."""
    call = case.call
    given = call.argument("params" if call.means == "optimizer" else "optimizer", position=0)
    found = content(given.value) if given else None
    if call.means != "optimizer":
        found = found.part("params") if isinstance(found, Thing) else None
    return found.part("of") if isinstance(found, Thing) else None


def compute_too(case: Case) -> Iterator[Idea]:
    """DT210: the compute dtype of a quantiser is the one that the model is loaded in, or the model's the only one it takes."""
    call = case.call
    given = call.argument("quantization_config")
    config = content(given.value) if given else None
    inner = (config.part("inner") or config) if isinstance(config, Thing) else None
    takes = content(inner.fields.get("takes")) if inner else None
    if isinstance(takes, DType):
        yield from loaded_in(case, call, takes)
    maker = case.script.call(config.loader) if isinstance(config, Thing) else None
    dtype = next((dtype for _, dtype in call.result.dtype.dtypes() if dtype.is_half), None) if call.result else None
    row = case.known.row("calls", config.klass or "") if isinstance(config, Thing) else {}
    if maker is None or dtype is None or not row.get("compute"):
        return
    keyword = str(row["compute"])
    for spelled in case.spelled(dtype, maker, call):
        changes = case.with_dtype(maker, spelled, keyword)
        yield Idea(f"{case.line(maker)}: {keyword}={spelled.text}", changes, dtype.short)


def with_variant(case: Case) -> Iterator[Idea]:
    """DT211: a dtype beside the variant, and a variant in place of a revision that is named after one."""
    call = case.call
    page, node = case.found(call)
    for name in ("variant", "revision"):
        argument = call.argument(name)
        dtype = next(
            (d for _, text in (argument.value.ways if argument else ()) if isinstance(text, str) and (d := parse(text))), None
        )
        if argument is None or dtype is None:
            continue
        renamed: tuple[Change, ...] = ()
        text = ""
        if name == "revision":
            start = page.spot(argument.span)[0]
            renamed = (
                case.without(call, name)
                if call.argument("variant")
                else (Change(page.cell, start, start + len(name), "variant"),)
            )
            text = f"{case.line(call)}: " + ("no revision" if call.argument("variant") else "variant in place of revision")
        asked = case.asked(call)
        if asked is None:
            for idea in loaded_in(case, call, dtype):
                whole = f"{text}; {idea.change}" if text else idea.change
                yield Idea(whole, (*renamed, *idea.changes), dtype.short)
        elif renamed:
            yield Idea(text, renamed, dtype.short)
        else:
            raise Unfit("which variants there are, only the repository knows")
    del node


def derived_like(case: Case) -> Iterator[Idea]:
    """DT212: from_pipe is given the dtype of the pipeline that it is given."""
    old = case.call.target
    dtype = next((dtype for _, dtype in old.dtype.dtypes() if dtype.is_half), None) if old else None
    if old is None or dtype is None:
        return
    yield from loaded_in(case, case.call, dtype, case.script.call(old.loader))
