"""A gate from its targets to its verdict: files, scripts, numbers, recorded runs and rehearsals in one report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, get_args

from ..checks.words import listed
from ..engine import judge
from ..engine.scripts import commented
from ..findings import fingerprinted
from ..gate.loads import Judged, Load, judged_in, loads_of, meant, unjudged, unseen_adapters, worded
from ..gate.missing import Kind, Missing, missing_of
from ..gate.verdict import for_gate, judged
from ..knowledge import Knowledge, folders
from ..policy.demands import unheard, unmet
from ..remote.targets import Remote
from ..report import Report
from ..request import NothingThere, WrongUse, make
from ..settings import CHECKS, Demands
from ..subjects.loaded import Loaded
from ..subjects.shown import Run
from .one import Target
from .rehearse import rehearse, rehearse_script
from .scan import scan_paths, targets

UP_TO: Final = 2_000_000_000
"""Bytes of the largest file whose numbers a gate reads."""
SCRIPTS: Final = (".py", ".ipynb")
_HEAVY: Final = ("torch", "diffusers", "transformers")


@dataclass(frozen=True, slots=True)
class Asking:
    """What a gate is asked to look at, and how.

    models: what hub ids in scripts stand for; arguments: the scripts' own. demands: what a team wants besides that it
    runs. required: kinds of evidence (config.CHECKS) without which nothing is proven. up_to: bytes of the largest file
    whose numbers are read, 0 for none. rehearse: False leaves the rehearsal out. run_scripts: execute the scripts in a rehearsal.
    unasked: why nobody knows how it is loaded. online: False asks no network, True also for models that scripts name.
    names: what people call folders that stand for something else. each: the dtype, variant and device for one target, in place
    of those for all.
    """

    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    libraries: Sequence[str] = ()
    adapters: Sequence[str | Target] = ()
    rules_dirs: Sequence[Path] = ()
    models: Mapping[str, Target] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    demands: Demands = field(default_factory=Demands)
    required: Collection[str] = ()
    up_to: int = UP_TO
    rehearse: bool = True
    run_scripts: bool = False
    unasked: str = ""
    each: Callable[[Path], Mapping[str, str | None]] | None = None
    online: bool | None = None
    names: Mapping[Path, str] = field(default_factory=dict)

    def at(self, path: Path) -> Asking:
        """The same for one target, as the settings ask for that."""
        return replace(self, **self.each(Path(self.names.get(path, path)))) if self.each else self  # type: ignore[arg-type]

    @property
    def needed(self) -> tuple[Kind, ...]:
        """The kinds of evidence that are required, by the caller or by the team. errors: WrongUse for an unknown one."""
        words = (*self.required, *self.demands.checks)
        if unknown := [word for word in words if word not in CHECKS]:
            raise WrongUse(f"{unknown[0]!r} cannot be required; {', '.join(CHECKS)} can")
        return tuple(kind for kind in get_args(Kind) if kind in words)


@dataclass(frozen=True, slots=True)
class Gated:
    """Everything that was looked at, and what was not."""

    report: Report
    missing: tuple[Missing, ...] = ()
    required: tuple[Kind, ...] = ()

    def verdict(self, report: Report, fail_on: str = "error") -> Report:
        """The report, as a policy lets it count, with its verdict."""
        return judged(report, self.missing, self.required, fail_on)


def gate(paths: Sequence[str | Target], asking: Asking, told: Callable[[str], None] | None = None) -> Gated:
    """Look at all that speaks for or against deploying models with their scripts.

    paths: model folders and files, scripts, and the run.json of a watch. Paths in the report begin with the target that they
    are in, as it was given.

    errors: request.WrongUse for what means nothing.
    """
    known = Knowledge(folders(asking.rules_dirs))
    given, adapters = targets(paths), targets(asking.adapters)
    if not any(isinstance(target, Remote) for target in (*given, *adapters, *asking.models.values())):
        return _gated([target for target in given if isinstance(target, Path)], asking, known, told)
    from ..remote.lent import lent

    with lent(known, asking.online is not False) as lending:
        local = [lending.path(target) for target in given]
        models: dict[str, Target] = {**lending.models(asking.models)}
        used = [lending.path(target) for target in adapters]
        gated = _gated(local, replace(asking, adapters=used, models=models, names=lending.names), known, told)
        return replace(gated, missing=tuple(replace(gap, text=lending.worded(gap.text)) for gap in gated.missing))


def _gated(paths: Sequence[Path], asking: Asking, known: Knowledge, told: Callable[[str], None] | None) -> Gated:
    """The same where all of it lies on this disk."""
    needed, why_not = asking.needed, _why_no_values(asking)
    report = Report(request=make(asking.dtype, asking.variant, asking.device, asking.libraries, known, Path.cwd()))
    scripts = [path for path in paths if _is_script(path)]
    models = {name: place for name, place in asking.models.items() if isinstance(place, Path)}
    loads: list[Load] = []
    ways: list[Judged] = []
    gaps: list[Missing] = []
    for path in scripts:
        part = for_gate(_scanned(path, asking.at(path), told))
        loads += loads_of(part, path, "", models)
        report += part
    for path in paths:
        if path not in scripts:
            asked, name = asking.at(path), asking.names.get(path)
            own = meant(loads, path)
            each = _ways(path, asked, own)
            part = _model(path, each, known, why_not, told)
            below = shown(path) if name is None else name
            loads += loads_of(part, path, below, models)
            ways += (model for way in each for model in judged_in(part, path, way.dtype, way.variant))
            gaps += _unseen(part, path, own, bool(scripts) and not asked.dtype)
            report += (part if name is None else replace(part, roots={"": name})).below(below)
    for path in scripts if asking.run_scripts or asking.demands.scripts else ():
        report = _ran(report, path, asking, why_not)
    for path in scripts:
        report = commented(report, path)
    if names := unheard(report, asking.demands):
        gaps.append(
            Missing("weights", f"the policy requires dtypes of {listed(names)}: no model here has such a part", open=False)
        )
    used = [path for path in (*paths, *asking.adapters) if isinstance(path, (str, Path))]
    gaps += unseen_adapters(loads, [Path(path) for path in used], asking.names.values())
    seen = missing_of(report, tuple(path.as_posix() for path in scripts), why_not)
    return Gated(replace(report, label=""), (*gaps, *unjudged(loads, ways), *seen), needed)


def _model(
    path: Path, ways: Sequence[Asking], known: Knowledge, why_not: dict[Kind, str], told: Callable[[str], None] | None
) -> Report:
    """Everything about one model, under each of the ways to load it; what only a later one is guilty of says which."""
    whole = _under(path, ways[0], known, why_not, told)
    for number, way in enumerate(ways[1:], 1):
        part = _under(path, way, known, why_not, told)
        known_of = {(finding.fingerprint, finding.severity) for finding in whole.findings}
        how = f" ({worded(way.dtype, way.variant)})"
        findings = tuple(
            finding if (finding.fingerprint, finding.severity) in known_of else replace(finding, message=finding.message + how)
            for finding in part.findings
        )
        counted = any(way.variant == before.variant for before in ways[:number])  # the same files hold the same numbers
        whole = _with_runs(whole, replace(part, findings=findings, values=() if counted else part.values))
    return whole


def _under(path: Path, asking: Asking, known: Knowledge, why_not: dict[Kind, str], told: Callable[[str], None] | None) -> Report:
    """Everything about one model that is loaded in one way: another way reads other files, and what fits into it is other."""
    part = for_gate(_scanned(path, asking, told, asking.adapters, values="values" not in why_not))
    part = replace(part, findings=(*part.findings, *fingerprinted(judge(None, unmet(part, asking.demands), known))))
    if part.seen["watched"] or all(pipeline.kind == "adapter" for pipeline in part.pipelines):
        return part
    return _rehearsed(part, path, asking, why_not, told)


def _ways(path: Path, asking: Asking, own: Sequence[Loaded]) -> list[Asking]:
    """What a model has to be judged under: as the caller asks for it, else as the scripts load it, else the default load."""
    if asking.dtype or not own:
        variants = dict.fromkeys(load.variant for load in own) if asking.dtype and not asking.variant else {}
        return [replace(asking, variant=variant) for variant in variants] or [asking]
    asked = dict.fromkeys((load.asked, asking.variant or load.variant) for load in own if load.dtypes is not None)
    unknown = next((load.where for load in own if load.dtypes is None), None)
    return [replace(asking, dtype=dtype, variant=variant) for dtype, variant in asked] or [
        replace(asking, rehearse=False, unasked=f"{unknown} loads it in a dtype that its text does not tell (--dtype does)")
    ]


def _unseen(part: Report, path: Path, own: Sequence[Loaded], as_loaded: bool) -> Iterator[Missing]:
    """What of a target was not seen: all of it, or how the scripts load it. as_loaded: that was to be judged."""
    name = path.as_posix()
    if not (part.pipelines or part.findings or part.seen["watched"] or part.seen["scripts"]):
        if path.suffix == ".json":
            yield Missing("run", f"{name} holds no watched run (dtypecheck watch -o FILE.json SCRIPT writes one)")
        else:
            yield Missing("weights", f"{name} holds no model, no weights and no script about models")
    if as_loaded and not own and any(pipeline.kind != "adapter" for pipeline in part.pipelines):
        text = f"no script tells in its text how it loads {name}: it was judged without torch_dtype (--dtype says how)"
        yield Missing("scripts", text)
    unknown = next((load.where for load in own if load.dtypes is None), None)
    if as_loaded and unknown and any(load.dtypes is not None for load in own):
        yield Missing("scripts", f"{unknown} loads {name} in a dtype that its text does not tell")


def _is_script(path: Path) -> bool:
    return path.suffix in SCRIPTS and path.is_file()


def shown(path: Path) -> str:
    """What stands before the paths of a target: the target itself, from the working directory where it lies in that."""
    place = path if path.is_dir() else path.parent
    try:
        below = place.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return place.absolute().name
    return "" if below == "." else below


def _why_no_values(asking: Asking) -> dict[Kind, str]:
    if not asking.up_to:
        return {"values": "--values-up-to 0 leaves it out"}
    return {} if find_spec("numpy") else {"values": "numpy is not installed (pip install numpy)"}


def _scanned(
    path: Path, asking: Asking, told: Callable[[str], None] | None, adapters: Iterable[str | Target] = (), values: bool = False
) -> Report:
    part = scan_paths(
        [path],
        dtype=asking.dtype,
        variant=asking.variant,
        device=asking.device,
        adapters=adapters,
        libraries=asking.libraries,
        rules_dirs=asking.rules_dirs,
        told=told,
        values="quick" if values else "",
        models=asking.models,
        arguments=asking.arguments,
        up_to=asking.up_to if values else None,
        online=asking.online,
    )
    return replace(part, label="")


def _rehearsed(part: Report, path: Path, asking: Asking, why_not: dict[Kind, str], told: Callable[[str], None] | None) -> Report:
    """The report with a rehearsal of its pipeline, or with the reason why there is none."""
    if not asking.rehearse:
        why_not["rehearsal"] = asking.unasked or "--no-rehearse leaves it out"
    elif lacks := [name for name in _HEAVY if not find_spec(name)]:
        why_not["rehearsal"] = f"{lacks[0]} is not installed (pip install 'dtypecheck[torch]')"
    else:
        try:
            ran = rehearse(
                path,
                dtype=asking.dtype,
                variant=asking.variant,
                device=asking.device or "cuda",
                rules_dirs=asking.rules_dirs,
                told=told,
            )
        except (WrongUse, NothingThere) as fault:
            why_not["rehearsal"] = str(fault)
        else:
            return _with_runs(part, ran)
    return part


def _ran(report: Report, path: Path, asking: Asking, why_not: dict[Kind, str]) -> Report:
    """The report with a rehearsal of a script, which executes it."""
    try:
        ran = rehearse_script(
            path,
            asking.arguments,
            device=asking.device or "cuda",
            models=asking.models,
            rules_dirs=asking.rules_dirs,
            online=asking.online is not False,
        )
    except WrongUse as fault:
        why_not["rehearsal"] = str(fault)
        return report
    return replace(_with_runs(report, ran), seen=report.seen + ran.seen)


def _with_runs(part: Report, ran: Report) -> Report:
    """A report on files with what a rehearsal of them, or another way to load them, said besides; its pipelines stay."""
    at = {pipeline.path: pipeline for pipeline in part.pipelines}
    found = {finding.fingerprint: finding for finding in part.findings}
    for finding in for_gate(ran).findings:  # what is a note about one way to load it may be an error about another
        found[finding.fingerprint] = min(found.get(finding.fingerprint, finding), finding, key=lambda each: each.key[0])
    runs: list[Run] = [replace(run, pipeline=run.pipeline and at.get(run.pipeline.path, run.pipeline)) for run in ran.runs]
    values = (*part.values, *(survey for survey in ran.values if survey.pipeline.path in at))
    return replace(part, findings=tuple(found.values()), runs=(*part.runs, *runs), values=values)
