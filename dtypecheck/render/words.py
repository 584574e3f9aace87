"""Words that several formats share: sizes, dtypes of a component, the sentence about a load plan, the last line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..checks.words import size
from ..dtypes import DType
from ..findings import Finding
from ..report import Report
from ..subjects import Component, Pipeline, Request

__all__ = ["clean", "heading", "libraries", "line", "loads_as", "plural", "size", "stored", "verdict"]

SEEN = ("components", "files", "tensors", "scripts", "calls")


def stored(component: Component) -> str:
    """The dtypes a component is stored in: the plain files', then each variant's."""
    texts = []
    for weights in sorted(component.sets, key=lambda s: (s.variant or "", s.format)):
        floats = {dtype: amount.parameters for dtype, amount in weights.stock.items() if dtype.is_float}
        main = weights.main
        shown = _share(floats, main) if main else next((d.short for d in weights.stock), "?")
        named = weights.variant if weights.variant and component.family not in ("single-file", "adapter") else None
        texts.append((f"variant {named}" if named == shown else f"{shown} as {named}") if named else shown)
    if component.quantised:
        texts = [f"{component.quantised.method} ({texts[0]})" if texts else component.quantised.method]
    return ", ".join(dict.fromkeys(texts)) or "no weights"


def _share(floats: Mapping[DType, int], main: DType) -> str:
    """The main dtype, and others that hold a real share (1 %) beside it."""
    total = sum(floats.values())
    others = [dtype.short for dtype, count in floats.items() if dtype is not main and dtype.is_wide and 100 * count >= total]
    return "+".join([main.short, *others])


def loads_as(component: Component) -> str:
    """What the load plan gives: fp16, fp16 (wo in fp32), or that it does not load."""
    load = component.loads()
    if component.role == "unused":
        return "not loaded"
    if load.dtype is None:
        return "does not load" if load.failure else "-"
    if component.quantised:
        return f"{load.dtype.short}, packed"
    if load.kept:
        names = ", ".join(load.patterns[:2]) + (", ..." if len(load.patterns) > 2 else "")
        return f"{load.dtype.short}, {names} in fp32"
    return load.dtype.short


def heading(pipeline: Pipeline, label: str, first: bool = True, how: str = "loaded", asked: str | None = None) -> str:
    """What a pipeline is; for the first one also under which request and library versions all are judged.

    how: what was done with it. asked: the dtypes in words, by default those of its request; "" for none.
    """
    path = label if pipeline.path == "." else pipeline.path
    kinds = {"single-file": "single file", "model": "transformers model", "adapter": "adapter", "component": "diffusers model"}
    alone = network(pipeline)
    what = pipeline.klass or (alone and f"{alone[0]}, a {alone[1]}") or kinds.get(pipeline.kind, pipeline.kind)
    if alone and path == ".":
        path, what = alone
    if pipeline.kind == "single-file" and pipeline.klass:
        what = f"single file for {pipeline.klass}"
    if pipeline.kind == "adapter":
        role = pipeline.components[0].role if pipeline.components else "adapter"
        return f"{path}   {ADAPTERS.get(role, role)}"
    if not first:
        return f"{path}   {what}"
    variant = f", variant {pipeline.request.variant}" if pipeline.request.variant else ""
    asked = "" if asked is None and not pipeline.request.dtypes and any(map(_is_seen, pipeline.components)) else asked
    dtypes = str(pipeline.request) if asked is None else asked
    under = (f" with {dtypes}" if dtypes else "") + variant
    by = libraries(pipeline.request, pipeline.components[0].family if alone else pipeline.kind)
    return f"{path}   {what}, {how}" + (f" by {by}" if by else "") + under


def _is_seen(part: Component) -> bool:
    """True for a part that was seen as it ran, and read from no folder."""
    says = part.loads().claim
    return says is not None and says.by == "shows"


def network(pipeline: Pipeline) -> tuple[str, str] | None:
    """The class of a lone network that was seen as it ran, and what that is; None for all else."""
    part = pipeline.components[0] if pipeline.kind == "model" and len(pipeline.components) == 1 else None
    if part is None or not part.klass or not _is_seen(part):
        return None
    return part.klass, "torch module" if part.family == "torch" else f"{part.family} model"


ADAPTERS = {"lora": "LoRA", "embedding": "textual inversion", "ip-adapter": "IP-Adapter"}


LOADERS = {
    "model": ("transformers",), "component": ("diffusers",),
    "transformers": ("transformers",), "diffusers": ("diffusers",), "torch": (),
}  # fmt: skip
"""The libraries that load a kind of pipeline, or that a lone model is of; all for the rest."""


def libraries(request: Request, kind: str) -> str:
    """The versions of the libraries that load a kind of pipeline, and who says so."""
    used = [row for row in request.libraries if row[0] in LOADERS.get(kind, (row[0],))]
    named = [f"{name} {version}" for name, version, _ in used]
    says = dict.fromkeys(source for _, _, source in used)
    return " and ".join(named) + (f" ({', '.join(says)})" if says else "")


def plural(count: int, word: str) -> str:
    """1 error, 2 errors."""
    many = {"finding": "findings"}.get(word, word + "s")
    return f"{count:,} {word if count == 1 else many}"


def verdict(report: Report) -> str:
    """The last line: what was found, in how much."""
    counts = [plural(n, word) for word in ("error", "warning", "note") if (n := report.count(word))]
    muted = sum(finding.muted is not None for finding in report.findings)
    seen = ", ".join(plural(report.seen[word], word[:-1]) for word in SEEN if report.seen[word])
    if not report.seen["pipelines"] and not report.seen["scripts"] and not report.findings:
        return "nothing was looked at: no model_index.json, no config.json of a model, no weight file, and no script about models"
    return (", ".join(counts) or "ok") + (f" ({muted} muted)" if muted else "") + (f" in {seen}" if seen else "")


def clean(text: str) -> str:
    """Text of a stranger's file without what could steer a terminal: control characters are spelled out."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(finding: Finding, speak: Callable[[str], str] = str) -> str:
    """One line: place, severity, code, message, and the fix behind it. speak: puts the script's names into the fix."""
    fix = f"; fix: {speak(finding.fix.title)}" if finding.fix else ""
    return clean(f"{finding.where}: {finding.severity} {finding.code} {finding.message}{fix}")


def requests(pipeline: Pipeline, report: Report) -> str:
    """What each usual request would give, in one line; nothing where no weights were seen."""
    parts = []
    for dtype, components in report.asked.get(pipeline.path, {}).items():
        if total := sum(given.nbytes for given in components.values()):
            sound = dtype in report.sound.get(pipeline.path, ())
            parts.append(f"{dtype.torch} {size(total)}{'' if sound else ', not sound'}")
    return "  asked for in " + "; ".join(parts) if parts else ""
