"""A module made NaN or inf of finite numbers: the one where it began, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...dtypes import BF16
from ...findings import Finding, Fix, Severity
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.numbers import Producer
from ...subjects.shown import Run
from ..out_of_range import cures
from ..shown import code_line, component_name, component_of, place
from ..spoilt import Fate, black, by_range, did, fate, history, place_of, producers, replayed, spoilt
from ..support import facts, severity, why


class NumbersNotFinite(Rule):
    """A module was given finite numbers and made NaN or inf of them: this is where a black picture begins.

    fp16 ends at 65,504. What is larger becomes inf, the next norm or softmax makes NaN of inf, and NaN becomes a black
    picture, without an error anywhere. All modules behind the first only hand it on. An error where it reached a component's
    output or a picture. A warning where something made it finite again (nan_to_num, clamp): the picture is not black, and the
    numbers are wrong.

    It is milder where the dtype may not be to blame: computed in fp32, found in fp32 by `--confirm` as well, NaN of numbers
    whose products are far from the limit (a faulty kernel, zero divided by zero). Then it is a warning where it reached an
    output, and else a note. A note too where nobody saw what became of it.

    ```bad
    run: watched runs on cuda
    producer: inf vae.decoder.up_blocks.2.resnets.0.conv2 F16 | largest 61440 | carried by 41 to vae.decoder.conv_out | reaches vae
    picture: nan 1 of 1 at postprocess black | by vae.decoder.up_blocks.2.resnets.0.conv2
    ```

    ```bad
    run: watched runs on cuda
    producer: inf text_encoder.block.3.layer.1.wo F16 | killed by text_encoder.block.3
    ```

    ```good
    run: watched runs on cuda
    producer: saturated transformer.blocks.30 F16 | reaches transformer
    ```

    ```good
    run: watched runs on cuda
    module: vae.decoder.conv_out Conv2d F16->F16 | largest 12.5
    picture: ok 1 of 1
    ```
    """

    code = "DT307"
    severity = "error"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for each component and fate, at the first module."""
        groups: dict[tuple[str, Fate, bool], list[Producer]] = {}
        for producer in producers(run, "nan", "inf"):
            key = component_name(run, producer.module), fate(run, producer), bool(producer.weights)
            groups.setdefault(key, []).append(producer)
        for (name, came_to, _), group in groups.items():
            yield self._tell(run, name, came_to, group, known)

    def _tell(self, run: Run, name: str, came_to: Fate, group: Sequence[Producer], known: Knowledge) -> Finding:
        first = group[0]
        fix, others = _fix(run, first, known)
        return self.finding(
            place(run, first.module),
            _message(run, came_to, group),
            severity=_severity(run, first, came_to),
            against=code_line(first.glue),
            because="; ".join(_because(run, group, known)),
            fix=fix,
            alternatives=others,
            source=f"{first.kind} {first.dtype.name} {came_to} {'' if first.module else first.glue}",
            component=name,
        )


def _severity(run: Run, first: Producer, came_to: Fate) -> Severity:
    """How bad it is: by where it ended, and milder where it is not known that a dtype is to blame."""
    verdict = first.replay.verdict if first.replay else ""
    narrow = verdict not in ("not numeric", "kernel") and not _wide(first) and by_range(run, first)
    if came_to == "reaches":
        return "error" if narrow or first.weights else "warning"
    return "warning" if came_to == "killed" and narrow else "note"


def _ranges_as_fp32(producer: Producer) -> bool:
    """True where the range of its dtype was left and fp32 has no larger one: bf16, unless `--confirm` found fp32 finite."""
    replayed = producer.replay is not None and producer.replay.verdict == "precision"
    return producer.dtype.largest >= BF16.largest and producer.kind == "inf" and not replayed


def _wide(producer: Producer) -> bool:
    return producer.dtype.is_float and producer.dtype.bits >= 32


def _message(run: Run, came_to: Fate, group: Sequence[Producer]) -> str:
    first, pictures = group[0], spoilt(run, group)
    if pictures:
        return f"{black(pictures)}; {did(first)}"
    if came_to == "reaches":
        return f"the output of {first.reaches} is not finite: {did(first)}"
    if came_to == "killed":
        return f"{did(first)}; {first.killed_by} made it finite again, and the numbers are wrong"
    return f"{did(first)}; it reached no output that was seen"


def _because(run: Run, group: Sequence[Producer], known: Knowledge) -> Iterator[str]:
    first = group[0]
    yield from history(run, group)
    if first.replay:
        yield replayed(first.replay, first.dtype)
    elif _wide(first) and not first.weights:
        yield f"{place_of(first)} computes in {first.dtype.short}: no wider dtype would help"
    elif not first.weights and not by_range(run, first):
        yield f"nothing near it leaves the range of {first.dtype.short}: a faulty kernel or its own code may be behind it"
    if first.autocast:
        yield f"autocast runs it in {first.dtype.short} with wider weights"
    component = component_of(run, first.module)
    row = facts(component, known) if component else {}
    if not first.weights and severity(row, first.dtype):
        yield why(row, first.dtype).rstrip(".")


def _fix(run: Run, first: Producer, known: Knowledge) -> tuple[Fix | None, tuple[str, ...]]:
    """What helps: other weights, the kernel's switch, a dtype that reaches further, or nothing that is known."""
    if any(name.endswith("(trained)") for name in first.weights):
        return Fix(
            "find the optimizer step that lost them: a lower learning rate, clipped gradients, float32 copies of the weights"
        ), ()
    if first.weights:
        cast = "" if _wide(first) else f", unless a cast to {first.dtype.short} made them so: then load them in fp32 or bf16"
        return Fix(f"take another copy of the weights: no dtype helps against these{cast}"), ()
    verdict = first.replay.verdict if first.replay else ""
    if verdict == "kernel":
        switch = first.replay.switch if first.replay else ""
        return (Fix(switch) if switch else None), ()
    if verdict == "not numeric" or _wide(first):
        return None, ()
    if not by_range(run, first):
        return Fix("watch it again with --confirm, which tells a dtype from a kernel"), ()
    if _ranges_as_fp32(first):
        return Fix(
            f"look at what goes into {place_of(first)}, and scale or clip it: {first.dtype.short} reaches as far as fp32"
        ), ()
    if first.autocast:
        kind = known.row("devices", run.device).get("kind", run.device)
        return Fix(
            f'call {component_name(run, first.module)} outside of autocast: with torch.autocast("{kind}", enabled=False): ...'
        ), ()
    if not first.module:
        return Fix(f"compute it in float32{f' at {first.glue}' if first.glue else ''}, and cast back after it"), ()
    return cures(run, first.module, first.dtype, known)
