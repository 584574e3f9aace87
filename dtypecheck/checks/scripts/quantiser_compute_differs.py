"""A quantised model is to compute in another dtype than it is loaded in."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.cases import pairs, words
from ...subjects.scripts import Call, Thing, content


class QuantiserComputeDiffers(Rule):
    """The quantisation config computes in another dtype than the model is loaded in.

    GGUF layers unpack to `compute_dtype`, fp32 without one, and multiply what they are given as it is: the call crashes, or is mixed.
    bitsandbytes computes in `bnb_4bit_compute_dtype`, fp32 without one, and casts in and out of every layer: slow, a note.

    ```bad
    serve.py: |
        import torch
        from diffusers import FluxTransformer2DModel, GGUFQuantizationConfig

        transformer = FluxTransformer2DModel.from_single_file(
            "flux1-dev-Q4_0.gguf", quantization_config=GGUFQuantizationConfig(), torch_dtype=torch.bfloat16
        )
    ```

    ```good
    serve.py: |
        import torch
        from diffusers import FluxTransformer2DModel, GGUFQuantizationConfig

        transformer = FluxTransformer2DModel.from_single_file(
            "flux1-dev-Q4_0.gguf", quantization_config=GGUFQuantizationConfig(compute_dtype=torch.bfloat16), torch_dtype=torch.bfloat16
        )
    ```
    """

    code = "DT210"
    severity = "warning"

    def check(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """One finding for a call that loads so."""
        if call.means == "load":
            yield from self._put_in(call, known)
        given = call.argument("quantization_config")
        config = content(given.value) if given else None
        if call.means != "load" or call.result is None or not isinstance(config, Thing) or config.kind != "quantiser":
            return
        yield from self._taken(call, config)
        casts = known.row("calls", config.klass or "").get("casts", False)
        for case, compute, dtype in pairs(config.dtype, call.result.dtype):
            if not isinstance(compute, DType) or not isinstance(dtype, DType) or compute is dtype or not dtype.is_half:
                continue
            when = f" (when {words(case - call.case)})" if case - call.case else ""
            maker = call.script.call(config.loader)
            yield self.finding(
                call.where,
                f"{call.result.klass or 'the model'} is loaded in {dtype.short}, and its packed layers compute in {compute.short}{when}",
                severity="note" if casts else "warning",
                against=maker.where if maker and maker.where != call.where else None,
                because="activations are cast in and out of every packed layer"
                if casts
                else "packed layers do not cast what they are given",
                fix=Fix(f"compute in torch.{dtype.torch} too"),
                source=call.source,
            )
            return

    def _put_in(self, call: Call, known: Knowledge) -> Iterator[Finding]:
        """A packed model that is put in a pipeline of another dtype than its layers compute in, and do not cast."""
        pipeline = call.result
        if pipeline is None or pipeline.kind != "pipeline":
            return
        for argument in call.arguments:
            model = content(argument.value)
            loader = call.script.call(model.loader) if isinstance(model, Thing) and model.kind == "model" else None
            config = loader.argument("quantization_config") if loader else None
            thing = content(config.value) if config else None
            if loader is None or not isinstance(thing, Thing) or thing.kind != "quantiser":
                continue
            if known.row("calls", thing.klass or "").get("casts"):
                continue
            for case, compute, dtype in pairs(thing.dtype, pipeline.dtype):
                if not isinstance(compute, DType) or not isinstance(dtype, DType) or compute is dtype or case - call.case:
                    continue
                yield self.finding(
                    loader.where,
                    f"the packed layers of {argument.name} compute in {compute.short}, and the rest of "
                    f"{pipeline.klass or 'the pipeline'} is {dtype.short}",
                    against=call.where,
                    because="packed layers do not cast what they are given",
                    fix=Fix(f"compute in torch.{dtype.torch} too"),
                    source=loader.source,
                )
                break

    def _taken(self, call: Call, config: Thing) -> Iterator[Finding]:
        """A format whose library says which dtype alone its models may have."""
        inner = config.part("inner") or config
        takes, model = content(inner.fields.get("takes")), call.result
        if not isinstance(takes, DType) or model is None or model.library != "diffusers":
            return
        case = next((case for case, dtype in model.dtype.dtypes() if dtype.is_wide and dtype is not takes), None)
        asked = call.argument("torch_dtype", "dtype")
        if case is None or asked is None:
            return
        when = f" (when {words(case - call.case)})" if case - call.case else ""
        yield self.finding(
            call.where,
            f"{model.klass or 'the model'} is packed by {inner.klass}, for which diffusers supports {takes.short} alone{when}",
            against=maker.where if (maker := call.script.call(config.loader)) and maker.where != call.where else None,
            says="only bfloat16 is supported right now",
            fix=Fix(f"torch_dtype=torch.{takes.torch}"),
            source=call.source,
        )
