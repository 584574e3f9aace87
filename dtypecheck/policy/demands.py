"""What a team demands besides that it runs: dtypes that parts must or must not be in, no pickles, not more than so many bytes."""

from __future__ import annotations

from collections.abc import Iterator

from ..checks.words import listed, size
from ..findings import Where
from ..read.header import DEMAND
from ..report import Report
from ..settings import Demands
from ..subjects import Component, Pipeline, Problem


def unmet(report: Report, demands: Demands) -> tuple[Problem, ...]:
    """The demands that what was looked at does not meet; a component or class that is not there meets every one."""
    found: list[Problem] = []
    for pipeline in report.pipelines:
        for component in pipeline.components:
            found += _dtypes(component, pipeline, demands)
    if not demands.pickles:
        found += (
            Problem(DEMAND, Where(file.path), "this is a pickle, and the policy forbids pickles")
            for file in report.files
            if file.format not in ("safetensors", "gguf")
        )
    for pipeline in report.pipelines:
        total = sum(component.loads().nbytes for component in pipeline.components)
        if demands.max_bytes is not None and total > demands.max_bytes:
            detail = f"its weights take {size(total)} after loading, and the policy allows {size(demands.max_bytes)}"
            found.append(Problem(DEMAND, Where(pipeline.path), detail))
    return tuple(found)


def unheard(report: Report, demands: Demands) -> tuple[str, ...]:
    """The components that a demand names and that no model has: of another model, or a slip of the pen."""
    there = {component.name for pipeline in report.pipelines for component in pipeline.components}
    return tuple(name for name in demands.require if name not in there) if report.pipelines else ()


def _dtypes(component: Component, pipeline: Pipeline, demands: Demands) -> Iterator[Problem]:
    dtype = component.loads().dtype
    place = component.where
    if dtype is None:
        return
    wanted = demands.require.get(component.name)
    if wanted and dtype not in wanted:
        allowed = listed(each.short for each in wanted)
        yield Problem(DEMAND, place, f"{component.name} loads in {dtype.short}, and the policy requires {allowed}")
    if component.klass and dtype in demands.forbid.get(component.klass, ()):
        yield Problem(
            DEMAND, place, f"{component.label} ({component.klass}) loads in {dtype.short}, which the policy forbids for it"
        )
