"""Models and pipelines that are called: what a run is given, and which dtype its outputs have."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from ...dtypes import DType
from ...subjects.cases import NOTHING_KNOWN, Value
from ...subjects.scripts import Argument
from .arguments import keyword
from .contents import Ref
from .models import Models


class Runs(Models):
    """Calls of models."""

    def run(self, node: ast.Call, ref: Ref, arguments: Sequence[Argument]) -> Value:
        """A pipeline or model that is called."""
        thing = self.thing(ref)
        label = self.text(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else thing.label
        if thing.kind == "processor":
            return self.make("features", dtype=self.default_dtype(), name=label)
        if thing.kind != "pipeline":
            number = self.record(node, label, "forward", arguments, ref)
            return NOTHING_KNOWN
        number = self.record(node, label, "run", arguments, ref)
        self.runs.append((replace(self.snapshot(ref), name=thing.name or label), number))
        self.ran.add(ref.number)
        kind = keyword(arguments, "output_type")
        raw = kind is not None and kind.value.text == "latent" and not self.around
        latents = self.make("tensor", dtype=self.latents_of(ref), loader=number) if raw else NOTHING_KNOWN
        return self.make("output", fields={"": latents}, loader=number)

    def latents_of(self, ref: Ref) -> Value:
        """The dtype of the latents that a pipeline gives: that of everything that made them, unknown where that is mixed."""
        pipeline = self.thing(ref)
        row = self.known.row("pipelines", pipeline.klass or "")
        if row.get("latents") not in ("prompt_embeds", "denoiser") or "touched" in pipeline.flags:
            return NOTHING_KNOWN
        dtype = pipeline.dtype
        for name, value in pipeline.fields.items():
            if self._role(name) in ("denoiser", "text_encoder", "controlnet"):
                parts = self.things(value)
                if any(self.thing(part).dtype != dtype for part in parts) or not parts:
                    return NOTHING_KNOWN
        return dtype if all(isinstance(content, DType) for _, content in dtype.ways) else NOTHING_KNOWN

    def embeds_of(self, ref: Ref) -> Value:
        """What encode_prompt gives, where the pipeline leaves it in the one dtype of its text encoders."""
        pipeline = self.thing(ref)
        row = self.known.row("pipelines", pipeline.klass or "")
        if row.get("embeds") != "same" or pipeline.flags & {"touched", "quantised"} or self.around:
            return NOTHING_KNOWN
        dtypes = []
        for name in row.get("components", {}):
            if self._role(name) == "text_encoder":
                value = pipeline.fields.get(name) or self.part_of(ref, name)
                dtypes += [self.thing(part).dtype for part in self.things(value)] if value else []
        same = bool(dtypes) and all(dtype == dtypes[0] for dtype in dtypes)
        return self.make("features", dtype=dtypes[0], name="the embeddings of encode_prompt") if same else NOTHING_KNOWN

    def through(self, node: ast.Call, name: str, ref: Ref, arguments: Sequence[Argument]) -> Value:
        """`vae.decode(x)` and `vae.encode(x)`: what comes out has the dtype of the model."""
        thing = self.thing(ref)
        number = self.record(node, "." + name, name, arguments, ref)
        dtype = thing.dtype if thing.kind == "model" and not self.around else NOTHING_KNOWN
        tensor = self.make("tensor", dtype=dtype, loader=number, name=name)
        return self.make("output", fields={"": tensor}, loader=number)
