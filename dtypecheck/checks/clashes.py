"""Where a pipeline of a script will crash because two of its parts have different dtypes, and which call is to blame.

The same boundaries as in a folder (meetings.py), for the pipeline as the script holds it when it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..dtypes import DType
from ..findings import Finding, Fix, Severity, Where
from ..knowledge import Knowledge
from ..rule import Rule
from ..subjects.cases import Map, words
from ..subjects.scripts import Call, Script, Thing, content
from .held import Held, held, with_upcast
from .meetings import Meeting, meetings

How = Literal["loaded", "cast", "dict", "request"]
WHEN = {
    "decode": "after the last denoising step",
    "denoise": "at the first denoising step",
    "encode image": "while it encodes the image",
    "encode prompt": "while it encodes the prompt",
}
GIVES = {"text_encoder": "prompt embeddings", "denoiser": "latents", "vae": "latents", "image_encoder": "image embeddings"}


@dataclass(frozen=True, slots=True)
class Clash:
    """A crash of a script's pipeline. part: the component that differs from the rest; call: the one that made it differ.

    how: it was loaded apart, cast apart, or named in a dict of dtypes; `request` where the pipeline's own default mixes.
    """

    held: Held
    met: Meeting
    part: str
    how: How
    call: Call | None
    loader: Call | None
    has: DType
    others: DType

    @property
    def severity(self) -> Severity:
        """An error where a real run crashed so."""
        return "error" if self.met.recorded else "warning"

    @property
    def message(self) -> str:
        """Where the call will fail, and in which dtypes."""
        met, klass = self.met, self.held.thing.klass
        what = "images" if met.stage == "encode image" else GIVES.get(met.giver.role, "tensors")
        when = WHEN.get(met.stage, "")
        return (
            f"{klass} fails in {met.module} {when}".rstrip()
            + f": {met.taker.name} is {met.has.short} and is given {met.given.short} {what}"
        )

    @property
    def because(self) -> str:
        """The line of the library that hands it over, or that only the source says so."""
        met = self.met
        told = f"the pipeline does not cast what goes from {met.giver.name} to {met.taker.name}"
        told += f" ({met.glue})" if met.glue else ""
        return told if met.recorded else f"{told}; expected from its source, not confirmed by a run"

    def told(self, rule: Rule, place: Call, message: str, fix: str, source: str = "") -> Finding:
        """The finding of a rule about this crash. place: the call to blame; message: what it did, before where that fails.

        source: the text the finding stands on, that of the call where there is none.
        """
        return rule.finding(
            place.where,
            f"{message} {self.message}{condition(self.held)}",
            severity=self.severity,
            against=self.loader.where if self.loader and self.loader is not place else None,
            because=self.because,
            says=self.met.says,
            fix=Fix(fix),
            source=source or place.source,
            component=self.part,
        )


@lru_cache(maxsize=4)
def clashes(script: Script, known: Knowledge) -> tuple[Clash, ...]:
    """Every crash, once for each call that is to blame."""
    return tuple(_clashes(script, known))


def _clashes(script: Script, known: Knowledge) -> Iterator[Clash]:
    told: set[tuple[Where, str]] = set()
    for state in held(script, known):
        if (state.run is not None and state.run.around) or not _one_question(state):
            continue
        for met in _certain(state, known):
            clash = _blamed(state, met, script)
            if clash is None or not _reached(state, met):
                continue
            key = (place(clash.call, state.run.where if state.run else Where(script.path)), clash.part)
            if key not in told:
                told.add(key)
                yield clash


def _one_question(state: Held) -> bool:
    """True where all hangs on one condition at most: what two different ones have to do with each other, nobody knows."""
    subjects = {subject for subject, _, _ in state.case - state.start}
    longest = max(subjects, key=len, default="")
    return all(subject in longest for subject in subjects)


def _certain(state: Held, known: Knowledge) -> list[Meeting]:
    """The meetings of a pipeline; where nobody knows whether its VAE says force_upcast, those that are there either way."""
    if state.upcast_known:
        return list(meetings(state.pipeline, known))
    forced, plain = with_upcast(state.pipeline, True), with_upcast(state.pipeline, False)
    either = [{(m.giver.name, m.taker.name) for m in meetings(p, known)} for p in (forced, plain)]
    return [m for m in meetings(plain, known) if (m.giver.name, m.taker.name) in either[0] & either[1]]


def _reached(state: Held, met: Meeting) -> bool:
    """False where the call leaves out the step in which it would fail."""
    run = state.run
    if run is None:
        return True
    rest = run.argument("**")
    if rest is not None:
        return False
    embeds = run.argument("prompt_embeds")
    if met.giver.role == "text_encoder" and embeds is not None and content(embeds.value) is not None:
        return False
    kind = run.argument("output_type")
    return not (
        met.stage == "decode" and kind is not None and content(kind.value) != "pil" and content(kind.value) not in ("np", "pt")
    )


def _blamed(state: Held, met: Meeting, script: Script) -> Clash | None:
    """The part that differs from what the pipeline was asked for, and the call that made it so."""
    pairs = [(met.giver.name, met.given, met.has), (met.taker.name, met.has, met.given)]
    asked = state.asked
    loader = script.call(state.thing.loader)
    odd = [pair for pair in pairs if pair[1] is not asked] if isinstance(asked, DType) else pairs
    for name, has, others in sorted(odd, key=lambda pair: pair[0] not in state.parts):
        part = state.parts.get(name)
        if part is None:
            continue
        how: How = "cast" if part.caster is not None else "loaded"
        call = script.call(part.caster if how == "cast" else part.loader)
        if how == "loaded" and (part.loader == state.thing.loader or call is None):
            continue
        return Clash(state, met, name, how, call, loader, has, others)
    if isinstance(asked, Map) and loader is not None:
        name, has, others = pairs[0]
        return Clash(state, met, name, "dict", loader, loader, has, others)
    return None


def place(call: Call | None, fallback: Where) -> Where:
    """The place of a call that may not be known."""
    return call.where if call else fallback


def condition(state: Held) -> str:
    """` (when X)` for what a crash hangs on besides that the script comes there, nothing where it hangs on nothing."""
    text = words(frozenset(sorted(state.case - state.start)[:2]))
    return f" (when {text})" if text else ""


def label(thing: Thing) -> str:
    """What a message calls a thing, with its class."""
    return f"{thing.label} ({thing.klass})" if thing.klass and thing.klass != thing.label else thing.label
