"""The typed Python API: scan a path, get a Report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .report import Report
from .request import WrongUse
from .settings import FAIL_ON, Demands, read_demands
from .verbs import gate as gating
from .verbs.rehearse import rehearse, rehearse_script
from .verbs.scan import scan_paths
from .verbs.watch import watch, watch_script

if TYPE_CHECKING:
    from .messages.explain import Explanation

__all__ = ["explain", "fix", "gate", "rehearse", "rehearse_script", "scan", "scan_paths", "watch", "watch_script"]


def scan(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[str | Path] = (),
    libraries: Iterable[str] = (),
    values: str = "",
    online: bool | None = None,
    skeleton: str | Path | None = None,
) -> Report:
    """Scan a model directory, a folder of models, a weight file, or a model elsewhere: "owner/name@revision", "s3://bucket/model".

    dtype: what is asked for, "float16" or "float16,vae=float32"; any alias of a dtype. device: a name of rules/devices.toml.
    libraries: versions to plan for, as "transformers==4.57"; by default those installed. values: "quick" or "full" to look at the
    numbers of the weights too, which needs numpy. online: False asks no network; True asks it also for models that scripts name.
    skeleton: a new folder to keep the settings and headers in.

    errors: request.WrongUse for a path, dtype, device or component that does not exist. Bad files are findings, not errors.
    """
    return scan_paths(
        [path],
        dtype=dtype,
        variant=variant,
        device=device,
        adapters=list(adapters),
        libraries=libraries,
        values=values,
        online=online,
        skeleton=None if skeleton is None else Path(skeleton),
    )


def fix(
    path: str | Path,
    *,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    select: Iterable[str] = (),
    to: str | None = None,
    components: Iterable[str] = (),
    as_variant: str | None = None,
    swap: str | None = None,
    apply: bool = False,
    lossy: bool = False,
    out: str | Path | None = None,
    models: Mapping[str, str | Path] | None = None,
) -> Report:
    """Plan what would mend a model's files or a script, and with `apply` or `out` do it; `.fix` of the report holds the plan.

    dtype, variant, device: what it is judged under. to: convert to this dtype instead of answering findings. out: a new folder
    to write the fixed model to, the source is left alone. lossy: also steps that lose numbers. models: folders that hub ids in
    scripts stand for.

    errors: request.WrongUse for what means nothing, fixing.refusal.Refusal for what cannot be done; nothing is changed then.
    """
    from .verbs.apply import carry_out
    from .verbs.fix import Ask, plan_fix

    ask = Ask(
        dtype, variant, device, select=tuple(select), to=to, components=tuple(components), as_variant=as_variant, swap=swap,
        lossy=lossy, models=_folders(models),
    )  # fmt: skip
    report = plan_fix(path, ask)
    if report.fix is None or not report.fix.plan.steps or not (apply or out):
        return report
    done, left_out = report.fix.plan, report.fix.left_out
    return carry_out(Path(report.label), done, out=Path(out) if out else None, left_out=left_out)


def gate(
    *targets: str | Path,
    dtype: str | None = None,
    variant: str | None = None,
    device: str | None = None,
    adapters: Iterable[str | Path] = (),
    libraries: Iterable[str] = (),
    models: Mapping[str, str | Path] | None = None,
    arguments: Sequence[str] = (),
    policy: str | Path | None = None,
    require: Iterable[str] = (),
    values_up_to: int = gating.UP_TO,
    rehearse: bool = True,
    run_scripts: bool = False,
    fail_on: str = "error",
) -> Report:
    """Say whether models and scripts may be deployed together; `.gate` of the report has the verdict and because of what.

    targets: model folders and files, scripts, and the run.json of a watch. dtype, variant, device, libraries: as in `scan`;
    without a dtype a model is judged as the scripts load it. models: folders that hub ids in scripts stand for. arguments: the
    scripts' own. policy: a TOML file of demands. require: evidence that must be there: rehearsal, run, values, weights, scripts.
    values_up_to: bytes of the largest file whose numbers are read, 0 for none. rehearse: where torch is installed.
    run_scripts: execute the scripts in a rehearsal too, which is no sandbox. fail_on: the least severity that forbids it.
    No settings file is read.

    errors: request.WrongUse for what means nothing, config.BadSettings for a policy that cannot be read.
    """
    if not targets:
        raise WrongUse("a gate needs a model or a script to look at")
    if fail_on not in FAIL_ON:
        raise WrongUse(f"fail_on is {fail_on!r}; it is one of {', '.join(FAIL_ON)}")
    asking = gating.Asking(
        dtype, variant, device, tuple(libraries), [Path(adapter) for adapter in adapters], models=_folders(models),
        arguments=tuple(arguments), demands=_demands(policy), required=tuple(require), up_to=values_up_to, rehearse=rehearse,
        run_scripts=run_scripts,
    )  # fmt: skip
    gated = gating.gate([Path(target) for target in targets], asking)
    return gated.verdict(gated.report, fail_on)


def _folders(models: Mapping[str, str | Path] | None) -> dict[str, Path]:
    """The folders that hub ids stand for. errors: WrongUse for one that is not there."""
    found = {name: Path(folder) for name, folder in (models or {}).items()}
    for name, folder in found.items():
        if not folder.is_dir():
            raise WrongUse(f"models: {name} stands for {folder}, and there is no such folder")
    return found


def _demands(policy: str | Path | None) -> Demands:
    if policy is None:
        return Demands()
    if not Path(policy).is_file():
        raise WrongUse(f"{policy}: there is no such policy file")
    return read_demands(Path(policy))


def explain(fault: BaseException | str) -> Explanation:
    """Say what an exception, or the text of a message, a traceback or a log, means; see `explaining.explain`."""
    from .verbs.explain import explain as explained

    return explained(fault)
