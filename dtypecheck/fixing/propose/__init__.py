"""From what a scan finds to a fix plan: for each finding the first remedy after which nothing is worse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ...edits import Edit
from ...engine import readings, report_readings
from ...files import Files
from ...findings import Finding
from ...fixplan import FixPlan, Refused, Step
from ...knowledge import Knowledge
from ...report import Report
from ...subjects import Pipeline, Request
from ..convert import Wish as Conversion
from ..convert import conversions
from ..refusal import Refusal
from ..worse import answered, helped
from .case import Case, Wish
from .declared import as_declared
from .judged import Judge
from .remedies import REMEDIES, STRATEGIES

__all__ = ["REMEDIES", "STRATEGIES", "Proposal", "Wish", "propose"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, what the target is like now, and what it would be like after all of the plan."""

    plan: FixPlan
    before: Report
    after: Report


def propose(files: Files, request: Request, known: Knowledge, wish: Wish) -> Proposal:
    """The plan that answers the findings selected, or that converts what was asked for.

    Its steps are in the order in which they are done; each was judged with those before it. A step that would bring a new
    finding is not in it, but among `refused` with the reason.
    """
    read = tuple(readings(files, request, known))
    before = replace(report_readings(read, request, known), label=files.label)
    judge = Judge(files, request, known, before)
    pipelines = {reading.pipeline.path: reading.pipeline for reading in read if reading.pipeline}
    steps: list[Step] = []
    refused: list[Refused] = []
    if wish.to is not None or wish.swap:
        for pipeline in pipelines.values():
            _wished(list(_asked_for(pipeline, files, wish, known)), pipeline, judge, steps, refused)
    else:
        for finding in _selected(before, wish):
            if steps and answered(finding, before.findings, judge.after(_edits(steps)).findings):
                steps[-1] = replace(steps[-1], codes=tuple(dict.fromkeys((*steps[-1].codes, finding.code))))
            else:
                _answer(finding, pipelines, judge, wish, steps, refused)
        if wish.strategies and not steps and not refused:
            refused.append(_unanswered(wish))
    plan = FixPlan(files.label, tuple(steps), refused=tuple(dict.fromkeys(refused)))
    return Proposal(plan, before, judge.whole(plan.edits) if steps else before)


def _wished(made: list[Step | Refused], pipeline: Pipeline, judge: Judge, steps: list[Step], refused: list[Refused]) -> None:
    """Add the steps of a wish: all of them if nothing is worse after all, else one after the other as far as they go."""
    refused += [_because(item, judge.before) for item in made if isinstance(item, Refused)]
    whole = [item for item in made if isinstance(item, Step)]
    kept = [as_declared(item, pipeline) or item for item in whole]
    for together in (whole, kept):
        made_of = [item for item in together if isinstance(item, Step)]
        if made_of and judge.holds(_edits((*steps, *made_of))):
            steps += made_of
            refused += [item for item in together if isinstance(item, Refused)]
            return
    for item, other in zip(whole, kept, strict=True):
        left: list[Refused] = []
        _take(item, None, judge, steps, left)
        if left and other is not item:
            left = []
            _take(other, None, judge, steps, left)
        refused += left


def _because(item: Refused, before: Report) -> Refused:
    """What is refused for lack of weights, with what the scan says of the files."""
    if item.done:
        return item
    place = item.place.rstrip("/")
    paths = ("", ".", place) if place in ("", ".") else (place,)
    told = [f for f in before.counted if f.code.startswith("DT0") and f.severity == "error"]
    near = [f for f in told if f.where.path in paths or f.where.path.startswith(f"{place}/") or place in ("", ".")]
    if not near:
        return item
    fix = near[0].fix
    return replace(item, why=f"{item.why}: {near[0].where}: {near[0].message}", offers=(fix.title,) if fix else item.offers)


def _asked_for(pipeline: Pipeline, files: Files, wish: Wish, known: Knowledge) -> Iterator[Step | Refused]:
    """A conversion or a swap that nobody needs a finding for."""
    if wish.swap:
        from ..swap import no_vae, swap

        vaes = pipeline.of_role("vae")
        yield from (swap(pipeline, component, wish.swap, files, known) for component in vaes)
        if not vaes:
            yield no_vae(pipeline)
    if wish.to is not None:
        conversion = Conversion(wish.to, wish.components, wish.variant, wish.shard, wish.clamp)
        steps, left = conversions(pipeline, files, conversion, known)
        yield from left
        yield from steps


def _selected(report: Report, wish: Wish) -> list[Finding]:
    return [finding for finding in wish.counting(report.counted) if not wish.select or finding.code in wish.select]


def _unanswered(wish: Wish) -> Refused:
    """What is said where the strategies asked for answer nothing."""
    words = ", ".join(wish.strategies)
    offers = tuple(f"--to {word} converts all the same" for word in wish.strategies if word in ("bf16", "fp16", "fp32"))
    return Refused(".", f"no step of the strategy {words} answers what a scan finds", (), offers, done=True)


def _edits(steps: Iterable[Step]) -> list[Edit]:
    return [edit for step in steps for edit in step.edits]


def _answer(
    finding: Finding, pipelines: dict[str, Pipeline], judge: Judge, wish: Wish, steps: list[Step], refused: list[Refused]
) -> None:
    """Add the first remedy that helps and makes nothing worse, or say why there is none."""
    pipeline = pipelines.get(finding.pipeline)
    component = pipeline.named(finding.component) if pipeline else None
    case = Case(finding, pipeline, component, judge.files, judge.known, wish)
    left: list[Refused] = []
    for remedy in REMEDIES.get(finding.code, ()):
        tried = list(steps)
        try:
            made = [item for item in remedy(case) if isinstance(item, Refused) or _wanted(item, wish)]
        except Refusal as fault:
            left.append(Refused(finding.where.path, str(fault), (finding.code,), fault.offers))
            continue
        for item in made:
            _take(item, finding, judge, tried, left)
        if len(tried) == len(steps):
            continue
        if helped(finding, judge.before.findings, judge.after(_edits(tried)).findings):
            steps[:] = tried
            refused += left
            return
        first = tried[len(steps)]
        left.append(Refused(first.place, f"{first.change}: it would not make {finding.code} go", (finding.code,)))
    if not left and not wish.strategies:
        left.append(_by_hand(finding))
    refused += left


def _wanted(step: Step, wish: Wish) -> bool:
    return not wish.strategies or step.strategy in wish.strategies


def _by_hand(finding: Finding) -> Refused:
    offers = (*((finding.fix.title,) if finding.fix else ()), *finding.alternatives)
    return Refused(finding.where.path, "no edit of the files mends it", (finding.code,), offers)


def _take(item: Step | Refused, finding: Finding | None, judge: Judge, steps: list[Step], refused: list[Refused]) -> None:
    """Add a step if nothing is worse after it."""
    codes = tuple(dict.fromkeys((*item.codes, *((finding.code,) if finding else ()))))
    if isinstance(item, Refused):
        refused.append(replace(item, codes=codes))
        return
    try:
        report = judge.after(_edits((*steps, item)))
    except Refusal as fault:
        refused.append(Refused(item.place, str(fault), codes, fault.offers))
        return
    if reason := judge.worse(report):
        refused.append(Refused(item.place, f"{item.change}: {reason}", codes))
        return
    steps.append(replace(item, codes=codes))
