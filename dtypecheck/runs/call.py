"""One call of a pipeline in the world of a rehearsal, and what came of it: it ran, it crashed here, or nobody can say."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import torch

from ..subjects.shown import Crash, Operand, Outcome
from . import edges, origins
from .about import about_dtypes
from .device import pretended
from .lent import Lent
from .modules import came_from, dtype_of
from .origins import Origin
from .pretend import autocast_here, eager, numbered, quiet, replaceable
from .words import first_line, place
from .world import Undecided, World

_EDGES: Final = edges.__file__


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of a call. reason: why nobody can say, in words; where: the component or module it came to."""

    verdict: Outcome
    crash: Crash | None = None
    reason: str = ""
    where: str = ""


def run(
    call: Callable[[], object], parts: Mapping[str, object], roles: Mapping[str, str], world: World, capability: int = 90
) -> Outcomes:
    """Call in the world. parts: the components by name, their modules phantoms with guarded edges. roles: what each is for.

    capability: of a CUDA device, 75 for sm75.
    """
    device = world.contracts.device
    world.modules.name(parts)
    with contextlib.ExitStack() as stack:
        for context in (
            quiet(),
            replaceable(),
            numbered(),
            autocast_here(device),
            eager(),
            torch.no_grad(),
            pretended(device, world, capability),
            Lent(world),
        ):
            stack.enter_context(context)
        try:
            with world, world.modules.listening():
                call()
        except Undecided as fault:
            return Outcomes("unknown", reason=str(fault), where=world.modules.failed or "")
        except Exception as fault:  # noqa: BLE001 - the pipeline's own code raises anything
            return stopped(fault, roles, world)
    return Outcomes("runs")


def stopped(fault: Exception, roles: Mapping[str, str], world: World) -> Outcomes:
    """What an exception means: a broken contract, an error about dtypes, or something a rehearsal says nothing about."""
    module = (world.modules.failed or "") if came_from(fault, world.modules.raised) else ""
    text = str(fault).strip()
    if world.undecided:
        return Outcomes("unknown", reason=world.undecided, where=module)
    breach = world.breach if world.breach is not None and world.breach.message in text else None
    if breach is None and not about_dtypes(fault):
        return Outcomes("unknown", reason=f"{first_line(fault)} ({_deepest(fault.__traceback__)})", where=module)
    operator, tensors = (breach.operator, breach.operands) if breach else ("", ())
    if breach is None and world.failed and came_from(fault, world.failed[0]):
        operator, tensors = world.failed[1:]
    elif breach is None and module:
        operator, tensors = world.modules.given
    crash = Crash(
        module=module,
        operator=operator,
        message=text.splitlines()[0] if breach is None else breach.message,
        operands=tuple(_operand(role, tensor, world) for role, tensor in tensors),
        glue=_glue(fault.__traceback__),
        stage=_stage(module, roles, world.methods),
        confirmed=breach.confirmed if breach else True,
    )
    return Outcomes("crashes", crash)


def _operand(role: str, tensor: torch.Tensor, world: World) -> Operand:
    """One tensor of the crash. What code made of a component's output, in the dtype that this has, is the component's."""
    origin = origins.of(tensor)
    if origin and origin.kind != "parameter" and origin.after and world.dtypes.get(origin.after) is dtype_of(tensor):
        origin = Origin("component", origin.after, origin.through, origin.where)
    return Operand(role, dtype_of(tensor), str(origin or ""), origin.component if origin else "", origin.where if origin else "")


def _stage(module: str, roles: Mapping[str, str], methods: list[str]) -> str:
    """What the pipeline was doing: by the component that ran and the method it was called by."""
    role = roles.get(module.partition(".")[0], "")
    method = methods[-1].rpartition(".")[2] if methods else ""
    match role:
        case "text_encoder":
            return "encode prompt"
        case "denoiser" | "controlnet":
            return "denoise"
        case "vae":
            return "encode image" if method.startswith("encode") else "decode"
        case "image_encoder":
            return "encode image"
    return "call"


def _frames(trace: TracebackType | None) -> list[tuple[str, int]]:
    found = []
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _glue(trace: TracebackType | None) -> str:
    """The line that called the component; in the glue itself, the line that failed."""
    frames = _frames(trace)
    edge = next((i for i, (path, _) in enumerate(frames) if path == _EDGES), len(frames))
    outside = [frame for frame in frames[:edge] if _foreign(frame[0])]
    return place(*outside[-1]) if outside else ""


def _deepest(trace: TracebackType | None) -> str:
    foreign = [frame for frame in _frames(trace) if _foreign(frame[0])]
    return place(*foreign[-1]) if foreign else ""


def _foreign(path: str) -> bool:
    path = path.replace("\\", "/")
    return "/torch/" not in path and "/dtypecheck/runs/" not in path and not path.startswith("<")


def guard(parts: Mapping[str, Any], world: World) -> None:
    """Make edges of the methods of every component that is a module."""
    for name, part in parts.items():
        if isinstance(part, torch.nn.Module):
            edges.guard(name, part, world)
