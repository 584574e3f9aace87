"""Which of a component's weight sets a conversion starts from, or why it cannot start."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...fixplan import Refused
from ...loading.choice import choose
from ...subjects import Component, WeightFile, WeightSet
from .names import safe_stem
from .wish import Wish, lies


@dataclass(frozen=True, slots=True)
class Source:
    """The set that is converted. variant: of the files that are written, None for plain ones. beside: the set itself stays."""

    chosen: WeightSet
    variant: str | None
    beside: bool

    @property
    def stem(self) -> str:
        """The first part of the new files' names."""
        return safe_stem(self.chosen.stem)

    @property
    def pickled(self) -> bool:
        """True when it is no safetensors set yet."""
        return self.chosen.format != "safetensors"


def source_of(component: Component, wish: Wish, place: str) -> Source | Refused:
    """The set that the load plan reads; for a new variant the plain one, else the widest variant that is there."""
    if component.quantised:
        method = component.quantised.method
        why = f"{component.label} is quantised ({method}): packed numbers are not cast, only its own library can unpack them"
        return Refused(place, why, (), ("convert the weights that it was quantised from",))
    found = _beside(component, wish) if wish.variant else _in_place(component)
    if isinstance(found, str):
        return Refused(place, found)
    chosen = found
    if unreadable := next((file for file in chosen.files if not _readable(file)), None):
        return Refused(place, f"{unreadable.path} cannot be read: {unreadable.trouble or 'its header was not kept'}")
    source = Source(chosen, wish.variant or chosen.variant, wish.variant is not None and chosen.variant != wish.variant)
    if lies(source.variant, wish.dtype):
        word = wish.dtype.short
        why = f"{component.label} has files of the variant {source.variant} to convert, which would then hold {word}"
        return Refused(place, why, (), (f"--as-variant {word}",))
    return source


def _readable(file: WeightFile) -> bool:
    return file.tensors is not None and file.trouble is None


def _in_place(component: Component) -> WeightSet | str:
    if chosen := component.loads().chosen:
        return chosen
    return _plain(component) or _widest(component, None) or "it has no weights that a loader finds"


def _beside(component: Component, wish: Wish) -> WeightSet | str:
    plain = _plain(component) or _widest(component, wish.variant)
    if plain is not None:
        return plain
    own = choose(_lenient(component), wish.variant, in_pipeline=False)
    return own.chosen or "it has no weights that a loader finds"


def _plain(component: Component) -> WeightSet | str | None:
    """The set without a variant, also one that no loader reads, as shards of a pickle; why it is not whole; None without any."""
    choice = choose(_lenient(component), None, in_pipeline=False)
    if choice.chosen:
        return choice.chosen
    plain = [s for s in component.sets if s.variant is None and s.spelling != "unread"]
    if plain and all(s.files and not s.missing and all(map(_readable, s.files)) for s in plain):
        return plain[0]
    return choice.failure if plain else None


def _widest(component: Component, other_than: str | None) -> WeightSet | None:
    """The set of a variant, the one with the most bits in front."""
    variants = sorted({s.variant for s in component.sets if s.variant} - {other_than})
    choices = (choose(_lenient(component), variant, in_pipeline=False).chosen for variant in variants)
    return max(filter(None, choices), key=lambda chosen: chosen.main.bits if chosen.main else 0, default=None)


def _lenient(component: Component) -> Component:
    """Without the config whose dtype may stop a load: that is set right by the conversion itself."""
    return replace(component, config=None) if component.family == "transformers" else component
