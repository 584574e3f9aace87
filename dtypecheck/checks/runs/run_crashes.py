"""The run crashed where tensors of two dtypes met, or where the device has no operator for one."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F32
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import Component, Pipeline
from ...subjects.shown import Crash, Run, Tried
from ..files.components_meet import call
from ..shown import dtype_plan, named, place, script_line
from ..what_if import usual
from ..words import OWN, listed, strangers, told, when


class RunCrashes(Rule):
    """The run crashes: tensors of two dtypes meet in one operator, or the device has no such operator for this dtype.

    A rehearsal runs the pipeline's own code on tensors without numbers and holds every operator to what PyTorch accepts on the
    device; a watched run crashed for real. The first line names the module, the dtype of its weights, the dtype it was given
    and who made that tensor. A warning where what PyTorch does on this device was never confirmed by a run. The fix is a
    request that was rehearsed too and runs.

    ```bad
    run: crashes on cuda
    crash: unet.add_embedding.linear_1 linear in denoise | input F32 text_encoder_2 (prompt_embeds) | weight F16 unet.add_embedding.linear_1.weight | says mat1 and mat2 must have the same dtype, but got Float and Half | glue diffusers/pipelines/x.py:1214
    remedy: float16 runs
    ```

    ```bad
    run: crashes on mps
    crash: vae.decoder.conv_in conv2d in decode | input F16 unet (z) | bias F32 vae.decoder.conv_in.bias | not confirmed
    ```

    ```good
    run: runs on cuda
    event: promoted unet.mid_block linear F16+F32->F32 | by text_encoder (prompt_embeds)
    ```

    ```good
    run: unknown on cuda
    stopped: unet.router: it picks experts by their scores
    ```
    """

    code = "DT301"
    severity = "error"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for a run that crashed."""
        crash = run.crash
        if run.verdict != "crashes" or crash is None:
            return
        giver = next((part for o in strangers(crash) if (part := named(run, o.component))), None)
        against = script_line(crash)
        if against is None and giver and giver.name != crash.component:
            against = giver.loaded_from
        how = f"the call crashes{when(crash)}"
        if not crash.confirmed:
            how += f" (expected, not confirmed on {run.device})"
        yield self.finding(
            place(run, crash.module),
            f"{told(crash, run.device)}: {how}",
            severity="error" if crash.confirmed else "warning",
            against=against,
            because=_because(run, crash, giver),
            says=crash.message,
            fix=_fix(run, known),
            source=" ".join((crash.operator, *(f"{operand.role}={operand.dtype.name}" for operand in crash.operands))),
            component=crash.component,
            also=(giver.name,) if giver and giver.name != crash.component else (),
        )


def _because(run: Run, crash: Crash, giver: Component | None) -> str:
    parts = [f"{crash.glue} calls {crash.component}"] if crash.glue and crash.module else []
    lines = dict.fromkeys((operand.dtype.short, operand.where) for operand in strangers(crash))
    parts += [f"the {short} was made at {where}" for short, where in lines if where and where not in (crash.glue, crash.script)]
    taker = named(run, crash.component)
    if giver and taker and giver is not taker and (loads := [p for p in (giver, taker) if p.loads().dtype]):
        parts.append("loaded are " + listed(f"{part.name} in {part.loads().dtype}" for part in loads))
    parts += [crash.why] * bool(crash.why)
    if run.remedies and not any(tried.verdict == "runs" for tried in run.remedies):
        plans = listed(dtype_plan(tried.dtypes) for tried in run.remedies)
        parts.append(f"rehearsed too, and none of them runs: all of it in {plans}")
    return "; ".join(parts)


def _fix(run: Run, known: Knowledge) -> Fix | None:
    """The first request that was rehearsed and runs, safe ones before others; without any rehearsed, the usual one, not verified."""
    good = [tried for tried in run.remedies if tried.verdict == "runs"]
    if good:
        best = next((tried for tried in good if tried.safe), good[0])
        return Fix(_title(best, run.pipeline) + (f" ({best.note})" if best.note else ""), verified=True)
    if run.crash and run.crash.remedy:
        return Fix(run.crash.remedy)
    if run.script and (cast := _cast(run)):
        return cast
    pipeline = run.pipeline
    if run.remedies or pipeline is None or not pipeline.klass or not pipeline.components:
        return None
    if run.crash and run.script and not any(operand.component for operand in strangers(run.crash)):
        return None
    now = {component.loads().dtype for component in pipeline.components}
    dtype = next((dtype for dtype in (usual(pipeline, known), F32) if dtype and now != {dtype}), None)
    return Fix(f"load all of it in {dtype.short}: {call(pipeline, dtype)}") if dtype else None


def _cast(run: Run) -> Fix | None:
    """The cast after loading that a script would have to leave out: of a part that has another dtype than it was loaded in."""
    for operand in (operand for operand in (run.crash.operands if run.crash else ()) if operand.role in OWN):
        part = named(run, operand.component)
        loaded = part.loads().dtype if part else None
        if part and loaded and loaded is not operand.dtype and loaded.is_half != operand.dtype.is_half:
            line = f" at {operand.where}" if operand.where else ""
            return Fix(
                f"leave {part.name} in {loaded.short} as it was loaded: its cast to {operand.dtype.short}{line} breaks the call"
            )
    return None


def _title(tried: Tried, pipeline: Pipeline | None) -> str:
    """The plan as an instruction, with the line of Python for a pipeline that is known."""
    dtypes = list(dict.fromkeys(tried.dtypes.values()))
    if len(dtypes) == 1:
        return f"load all of it in {dtypes[0].short}" + (f": {call(pipeline, dtypes[0])}" if pipeline else "")
    return f"load {dtype_plan(tried.dtypes)}"
