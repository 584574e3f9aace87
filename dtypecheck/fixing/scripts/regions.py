"""Remedies for what a region of a script runs in half: it is switched off around a call, or set to bf16."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from ...dtypes import BF16, F32
from ...subjects.scripts import Call, Thing, content
from .case import Case, Idea, Unfit, first
from .casts import cast_input, is_wide
from .loads import loaded_in
from .page import Change, Page
from .pieces import added, before_statement, is_path, replaced

_COSTS: Final = ("bf16 has 8 significant bits, and wants a GPU of the Ampere generation or newer",)


def vae_in_fp32(case: Case) -> Iterator[Idea]:
    """DT215: the VAE is put in fp32, and what it is given by hand with it; inside an autocast that is switched off."""
    call, vae = case.call, case.call.target
    if vae is None:
        return
    if call.around:
        yield from first(_vae_outside(case, call))
        return
    loader = case.script.call(vae.loader)
    every = [c for c in case.script.calls if c.means in ("decode", "encode") and c.target and c.target.number == vae.number]
    given = [change for other in every if not is_wide(other) for change in cast_input(case, other)[0]]
    costs = ("what it gives is fp32 then", "it takes twice the memory")
    if loader is not None and loader.result is not None and loader.result.number == vae.number and vae.caster is None:
        for idea in first(loaded_in(case, loader, F32)):
            yield Idea(f"{idea.change}, and what it is given cast to it", (*idea.changes, *given), "fp32", costs)
    page, node = case.found(call)
    spelled = case.spelling.dtype(F32, page, node)
    owner = page.source(node.func.value) if isinstance(node.func, ast.Attribute) and is_path(node.func.value) else ""
    if owner:
        moved = before_statement(page, page.statement(node), f"{owner}.to({spelled.text})")
        text = f"{case.line(call)}: {owner}.to({spelled.text}) before it"
        yield Idea(text, (*spelled.changes, moved, *given), "fp32", costs)


def _vae_outside(case: Case, call: Call) -> Iterator[Idea]:
    changes, head = _switched_off(case, call)
    given = () if call.means == "run" or is_wide(call) else cast_input(case, call)[0]
    yield Idea(f"{case.line(call)}: {head}", (*changes, *given), "fp32")


def _switched_off(case: Case, call: Call) -> tuple[tuple[Change, ...], str]:
    """A block in which autocast is off, around a statement that is no block itself. errors: Unfit."""
    page, node = case.found(call)
    region = case.script.call(call.around[-1].loader)
    where, maker = case.found(region)
    statement = page.statement(node)
    begin, end = page.span(statement)
    rest = page.text[end : page.line(max(begin, end - 1))[1]].strip()
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)) or (rest and rest[0] != "#"):
        raise Unfit("it stands in a statement that is more than a call")
    torch = case.spelling.torch(page, node)
    unit = "\t" if page.indent(begin).endswith("\t") else "    "
    head = f"with {torch.text}.autocast({_device(region, where, maker)}, enabled=False):"
    block = before_statement(page, statement, head)
    return (*torch.changes, block._replace(new=block.new + unit)), head


def _device(region: Call | None, page: Page, maker: ast.Call) -> str:
    """The device of an autocast as it is written, or as its name says it. errors: Unfit where it does neither."""
    words = region.what.split(".") if region else []
    if words[-2:-1] == ["amp"] and len(words) > 2 and words[-3] in ("cuda", "cpu"):
        return f'"{words[-3]}"'
    device = next(iter(maker.args[:1]), None) or next((k.value for k in maker.keywords if k.arg == "device_type"), None)
    if not isinstance(device, ast.Constant) or not isinstance(device.value, str):
        raise Unfit("the device of the autocast is not written there")
    return page.source(device)


def kept_parts_apart(case: Case) -> Iterator[Idea]:
    """DT221: the model runs outside of the autocast, where it is given no tensor of it; else the autocast is one of bf16."""
    call = case.call
    if call.means == "forward" and call.around:
        yield from first(_outside(case, call), _in_bf16(case, call.around[-1]))
        return
    given = call.argument("args", position=1)
    chosen = content(given.value) if call.means == "trainer" and given else call.target
    if isinstance(chosen, Thing):
        yield from _in_bf16(case, chosen)


def _outside(case: Case, call: Call) -> Iterator[Idea]:
    things = [content(argument.value) for argument in call.arguments]
    if any(isinstance(thing, Thing) and thing.kind in ("tensor", "features") for thing in things):
        raise Unfit("it is given tensors of the autocast")
    changes, head = _switched_off(case, call)
    costs = ("the model runs in the dtype that it was loaded in, which takes longer",)
    yield Idea(f"{case.line(call)}: {head}", changes, "fp32", costs)


def _in_bf16(case: Case, chosen: Thing) -> Iterator[Idea]:
    """bf16 in place of fp16, where an autocast, an Accelerator or the arguments of a Trainer choose it."""
    maker = case.script.call(chosen.loader)
    if maker is not None and maker.what == ".autocast" and maker.target is not None:
        maker = case.script.call(maker.target.loader)
    if maker is None:
        return
    page, node = case.found(maker)
    match maker.means:
        case "training_arguments":
            yield Idea(f"{case.line(maker)}: bf16 in place of fp16", _renamed(case, maker), "bf16", _COSTS)
        case "accelerator":
            given = case.node_of(maker, maker.argument("mixed_precision"))
            if not isinstance(given, ast.Constant):
                raise Unfit(f"{case.line(maker)}: its mixed_precision is chosen somewhere else")
            quote = page.source(given)[-1]
            new = f"{quote}bf16{quote}"
            text = f"{case.line(maker)}: mixed_precision={new} in place of {page.source(given)}"
            yield Idea(text, (replaced(page, given, new),), "bf16", _COSTS)
        case "autocast":
            spelled = case.spelling.dtype(BF16, page, node)
            argument = maker.argument("dtype", position=1)
            expression = case.node_of(maker, argument)
            if argument is not None and expression is None:
                raise Unfit(f"{case.line(maker)}: its dtype comes through * or **")
            change = [replaced(page, expression, spelled.text)] if expression else added(page, node, "dtype", spelled.text)
            yield Idea(f"{case.line(maker)}: dtype={spelled.text}", (*spelled.changes, *change), "bf16", _COSTS)


def _renamed(case: Case, maker: Call) -> tuple[Change, ...]:
    """`bf16=` in place of `fp16=`. errors: Unfit where it names both, or gets one through `**`."""
    page, node = case.found(maker)
    found = [keyword for keyword in node.keywords if keyword.arg in ("fp16", "bf16", None)]
    if len(found) != 1 or found[0].arg != "fp16":
        raise Unfit(f"{case.line(maker)}: it says more of fp16 and bf16 than one keyword")
    start = page.span(found[0])[0]
    return (Change(page.cell, start, start + len("fp16"), "bf16"),)
