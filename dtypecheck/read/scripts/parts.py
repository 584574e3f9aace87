"""The parts of a pipeline: what an attribute of it is, and which dtype the part got from what was asked of the whole."""

from __future__ import annotations

from typing import Any, Final

from ...dtypes import F32, DType
from ...subjects import Component
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Case, Map, Value, both, just, value_of
from ..roles import role_of
from .contents import Ref
from .tensors import Tensors

OTHERS: Final = ("other", "weightless", "safety_checker")
"""Roles of what is no model that matters."""


class Parts(Tensors):
    """Parts of pipelines."""

    def part_of(self, ref: Ref, name: str) -> Value | None:
        """A part of a pipeline that it loaded by itself, from now on an object of its own; None for what is no part."""
        pipeline = self.thing(ref)
        component = pipeline.loads.named(name) if pipeline.loads else None
        row = self.known.row("pipelines", pipeline.klass or "")
        listed = str(row.get("components", {}).get(name, ""))
        role = component.role if component else role_of(self.known, name, None)
        if not listed and component is None and ((pipeline.klass is not None and bool(row)) or role in OTHERS):
            return None
        klass = component.klass if component else (listed if listed and " | " not in listed else None)
        outside = role in ("text_encoder", "image_encoder", "safety_checker") or bool(
            component and component.family == "transformers"
        )
        library = component.family if component else ("transformers" if outside else "diffusers")
        dtype = value_of(self._part_ways(pipeline.dtype, name, outside, component))
        flags = pipeline.flags & {"cast", "touched", "mps"} | ({"quantised"} if "quantised" in pipeline.flags else set())
        label = f"{pipeline.name}.{name}" if pipeline.name else name
        fields = {"klass": klass, "library": library, "name": label, "dtype": dtype, "repo": pipeline.repo}
        made = self.make(
            "model", loader=pipeline.loader, caster=pipeline.caster, flags=frozenset(flags), loads=pipeline.loads, **fields
        )
        self.field(ref, name, made)
        return made

    def _part_ways(self, asked: Value, name: str, outside: bool, component: Component | None) -> list[tuple[Case, Any]]:
        ways: list[tuple[Case, Any]] = []
        for case, content in asked.ways:
            if isinstance(content, Map):
                default = content.items.get("default", just(F32)) if content.whole else NOTHING_KNOWN
                found = content.items.get(name, default)
                ways += [
                    (met, c if isinstance(c, DType) else UNKNOWN) for way, c in found.ways if (met := both(case, way)) is not None
                ]
            elif content is None:
                declared = component.declared.dtype if component and component.declared else UNKNOWN
                ways.append((case, declared if outside and not self._old_transformers() else F32))
            else:
                ways.append((case, content))
        return ways

    def _role(self, name: str) -> str:
        return role_of(self.known, name, None) if name else "other"

    def _is_pipeline(self, klass: str) -> bool:
        general = bool(self.meanings.of_pipeline(klass))
        return general or klass.endswith("Pipeline") or bool(self.known.row("pipelines", klass))

    def _old_transformers(self) -> bool:
        version = self.request.version("transformers")
        return bool(version) and version < (5,)
