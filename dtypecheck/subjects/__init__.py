"""What is looked at: frozen records from a pipeline down to a tensor, and the walk over them.

A reader makes them, a rule reads them, nobody changes them. Where a record names a dtype it says who says so (`Claim.by`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from weakref import ReferenceType, ref

from ..files import Source
from ..findings import Where
from .planned import By, Claim, Load, Quantised, Request
from .stored import NOTHING, Stock, Tensor, Tensors, WeightFile, WeightSet, add_stocks
from .written import Config, line_of, pointer

__all__ = [
    "By",
    "Claim",
    "Component",
    "Config",
    "Load",
    "Pipeline",
    "Problem",
    "Quantised",
    "Request",
    "Stock",
    "Subject",
    "Tensor",
    "Tensors",
    "WeightFile",
    "WeightSet",
    "add_stocks",
    "line_of",
    "pointer",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a reader could not take as it should be. kind: the words the DT0 rules look for (read/problems.py)."""

    kind: str
    where: Where
    detail: str
    against: Where | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a pipeline that holds weights. name: as in model_index.json, the folder's name for a lone one.

    family: "diffusers" or "transformers", whose loader reads it; "single-file" for a part of a checkpoint; "adapter".
    role: what the pipeline uses it for: text_encoder, denoiser, vae, controlnet, image_encoder, safety_checker, other.
    undotted: names in its folder without a dot, on which diffusers stumbles when a variant is asked for.
    """

    name: str
    path: str
    klass: str | None
    family: str
    role: str
    config: Config | None = None
    sets: tuple[WeightSet, ...] = ()
    declared: Claim | None = None
    quantised: Quantised | None = None
    load: Load | None = None
    undotted: tuple[str, ...] = ()
    _pipeline: ReferenceType[Pipeline] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline it is part of; known as long as somebody holds that.

        errors: LookupError when nobody does.
        """
        pipeline = self._pipeline() if self._pipeline else None
        if pipeline is None:
            raise LookupError(f"the pipeline of {self.label} is gone")
        return pipeline

    @property
    def label(self) -> str:
        """What a message calls it."""
        return self.name or self.path or self.klass or "model"

    @property
    def described(self) -> str:
        """Its label, and its class where that says more."""
        return f"{self.label} ({self.klass})" if self.klass and self.klass != self.label else self.label

    @property
    def where(self) -> Where:
        """The place that stands for the component: its config, else its first weights, else its folder."""
        if self.config:
            return Where(self.config.path)
        files = [file.path for chosen in self.sets for file in chosen.files]
        return Where(files[0] if files else self.path)

    @property
    def loaded_from(self) -> Where:
        """The weights that the load plan reads, `at` the component; `where` when it reads none."""
        chosen = self.load.chosen if self.load else None
        return Where(chosen.where.path, self.name) if chosen else self.where

    def loads(self) -> Load:
        """The load plan; an empty one before it was made."""
        return self.load or Load(None)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Pipeline:
    """What is loaded together: a pipeline directory, a component or transformers folder, a single file, an adapter.

    kind: "pipeline", "component", "model" (transformers), "single-file" or "adapter". path: "." for the target itself.
    root: what stands in front of the paths of its files, the target's name where there are several. source: where it came from
    and in which state, None for a plain folder or file. code: Python files beside a model_index.json and in the folders of its
    parts. unloadable: what it names and the installed libraries cannot give, with the reason; None where nobody asked them.
    """

    path: str
    klass: str | None
    kind: str
    components: tuple[Component, ...] = ()
    adapters: tuple[Component, ...] = ()
    request: Request = field(default_factory=Request)
    config: Config | None = None
    loose: tuple[WeightFile, ...] = ()
    root: str = ""
    source: Source | None = None
    code: frozenset[str] = frozenset()
    unloadable: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for component in (*self.components, *self.adapters):
            object.__setattr__(component, "_pipeline", ref(self))

    def of_role(self, *roles: str) -> tuple[Component, ...]:
        """The components with one of these roles, in their order."""
        return tuple(component for component in self.components if component.role in roles)

    def named(self, name: str) -> Component | None:
        """The component of that name."""
        return next((component for component in self.components if component.name == name), None)

    def light(self) -> Pipeline:
        """The same without the columns of its headers: what a report keeps."""

        def lighter(part: Component) -> Component:
            sets = tuple(replace(weights, files=tuple(file.light() for file in weights.files)) for weights in part.sets)
            load = part.load and replace(part.load, chosen=next((s for s in sets if s.where == _where(part.load.chosen)), None))
            return replace(part, sets=sets, load=load, config=part.config and Config(part.config.path, NOTHING))

        return replace(
            self,
            components=tuple(map(lighter, self.components)),
            adapters=tuple(map(lighter, self.adapters)),
            config=self.config and Config(self.config.path, NOTHING),
            loose=tuple(file.light() for file in self.loose),
        )


def _where(chosen: WeightSet | None) -> Where | None:
    return chosen.where if chosen else None


Subject = Pipeline | Component | WeightFile | Problem


def walk(subject: Pipeline) -> Iterator[Subject]:
    """A pipeline, then each component and adapter, each with its files."""
    yield subject
    for component in (*subject.components, *subject.adapters):
        yield component
        yield from (file for weights in component.sets for file in weights.files)
