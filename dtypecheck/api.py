"""The typed Python API: scan a path, get a Report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .rehearsing import rehearse, rehearse_script
from .report import Report
from .scanning import scan_paths
from .watching import watch, watch_script

if TYPE_CHECKING:
    from .messages.explain import Explanation

__all__ = ["explain", "fix", "rehearse", "rehearse_script", "scan", "scan_paths", "watch", "watch_script"]


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
) -> Report:
    """Plan what would mend a model's files, and with `apply` or `out` do it; `.fix` of the report holds the plan.

    dtype, variant, device: what it is judged under. to: convert to this dtype instead of answering findings. out: a new folder
    to write the fixed model to, the source is left alone. lossy: also steps that lose numbers.

    errors: request.WrongUse for what means nothing, fixing.refusal.Refusal for what cannot be done; nothing is changed then.
    """
    from .mending import Ask, carry_out, plan_fix

    ask = Ask(dtype, variant, device, (), tuple(select), (), to, tuple(components), as_variant, swap=swap, lossy=lossy)
    report = plan_fix(path, ask)
    if report.fix is None or not report.fix.plan.steps or not (apply or out):
        return report
    done, left_out = report.fix.plan, report.fix.left_out
    return carry_out(Path(report.label), done, out=Path(out) if out else None, left_out=left_out)


def explain(fault: BaseException | str) -> Explanation:
    """Say what an exception, or the text of a message, a traceback or a log, means; see `explaining.explain`."""
    from .explaining import explain as explained

    return explained(fault)
