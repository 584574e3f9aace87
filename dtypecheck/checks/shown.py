"""What the rules on runs share: where a module's component lies, what it is used for, the user's line, a dtype plan in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..dtypes import F16, DType
from ..findings import Where
from ..knowledge import Knowledge
from ..read.roles import role_of as role
from ..subjects import Component
from ..subjects.shown import Crash, Event, Run


def component_of(run: Run, module: str) -> Component | None:
    """The component that a module path begins with, where the pipeline is known; a lone model's paths begin at its own root."""
    if run.pipeline is None or not module:
        return None
    components = run.pipeline.components
    if run.pipeline.kind in ("model", "component") and len(components) == 1:
        return components[0]
    return run.pipeline.named(module.partition(".")[0])


def component_name(run: Run, module: str) -> str:
    """What people call the component of a module path; "" for the code between components."""
    component = component_of(run, module)
    return component.name or module.partition(".")[0] if component else module.partition(".")[0]


def role_of(run: Run, module: str, known: Knowledge) -> str:
    """What the component of a module path is used for, as the pipeline says, else by its name or class; "other" unknown."""
    component = component_of(run, module)
    if component and component.role != "other":
        return component.role
    name = component_name(run, module)
    klass = component.klass if component else next((row.klass for row in run.modules if row.module in (name, "")), "")
    return role(known, name, klass)


def named(run: Run, maker: str) -> Component | None:
    """The component that made a tensor: `text_encoder (prompt_embeds)` names one, `the argument image` none."""
    return run.pipeline.named(maker.partition(" ")[0].partition(".")[0]) if run.pipeline and maker else None


def by_component(run: Run, kind: str) -> Iterator[tuple[str, list[Event]]]:
    """The events of a kind that are not by design, for each component that they happened in."""
    groups: dict[str, list[Event]] = {}
    for event in run.unasked:
        if event.kind == kind:
            component = component_of(run, event.module)
            groups.setdefault(component.name if component else event.module.partition(".")[0], []).append(event)
    yield from groups.items()


def half_of(event: Event, default: DType = F16) -> DType:
    """The half dtype that an event is about."""
    return next((dtype for dtype in (event.to, *event.dtypes) if dtype and dtype.is_half), default)


def place(run: Run, module: str) -> Where:
    """The component's config, at the module; without a component the pipeline's own file, without a pipeline the script.

    What a script really ran is not told by files of its models: of a watched run it is the script.
    """
    if run.how == "watched":
        return Where(run.script or ".", module)
    component = component_of(run, module)
    if component:
        return Where(component.where.path, module)
    if run.pipeline:
        return Where(run.pipeline.config.path if run.pipeline.config else run.pipeline.path, module)
    return Where(run.script or ".", module)


def script_line(crash: Crash) -> Where | None:
    """The user's line that led to a crash: `serve.py:31` as a place."""
    path, _, number = crash.script.rpartition(":")
    if path and number.isdecimal():
        return Where(path, line=int(number))
    return Where(crash.script) if crash.script else None


def dtype_plan(dtypes: Mapping[str, DType]) -> str:
    """A dtype plan in words: fp16, or text_encoder, unet in fp16 and vae in fp32."""
    names: dict[DType, list[str]] = {}
    for name, dtype in dtypes.items():
        names.setdefault(dtype, []).append(name)
    if len(names) == 1:
        return next(iter(names)).short
    return " and ".join(f"{', '.join(having)} in {dtype.short}" for dtype, having in names.items())


def code_line(text: str) -> Where | None:
    """A line of code as a place: `serve.py:31`; None for a text that names none."""
    path, _, number = text.partition(" ")[0].rstrip(",;").rpartition(":")
    return Where(path, line=int(number)) if path and number.isdecimal() and len(number) < 10 else None


def more(count: int) -> str:
    """` and 3 more`, nothing for none."""
    return f" and {count:,} more" if count else ""
