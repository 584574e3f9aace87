"""One component of a single file is stored in several dtypes."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import F16, F32, DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...rule import Rule
from ...subjects import Component

SHARE = 0.01


class SingleFileMixed(Rule):
    """One component of a single file is stored in several floating dtypes, each a real share of it.

    from_single_file casts all of it, so this is a note: half of the component has lost numbers that the other half still has,
    often by a merge of two models. One dtype a component, and a stray scalar, are silent.

    Parts that a library keeps in float32 for the class, T5's `wo`, do not count.

    ```bad
    model.safetensors: model.diffusion_model.input_blocks.0.0.weight F32 8x8; model.diffusion_model.out.2.weight F16 8x8; first_stage_model.decoder.conv_in.weight F16 8x8
    ```

    ```good
    model.safetensors: model.diffusion_model.input_blocks.0.0.weight F32 8x8; model.diffusion_model.out.2.weight F32 8x8; first_stage_model.decoder.conv_in.weight F16 8x8
    ```

    ```good
    sd3.safetensors: model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias F16 8; text_encoders.t5xxl.transformer.encoder.block.0.layer.1.DenseReluDense.wo.weight F32 8x8; text_encoders.t5xxl.transformer.shared.weight F16 8x8
    ```
    """

    code = "DT109"
    severity = "note"
    in_gate = False

    def check(self, component: Component, known: Knowledge) -> Iterator[Finding]:
        """One finding a component of a single file."""
        if component.family != "single-file" or component.quantised or not component.sets or not component.name:
            return
        floats = _floats(component, known)
        total = sum(floats.values())
        shares = [(dtype, count) for dtype, count in floats.items() if count >= SHARE * total]
        if len(shares) > 1:
            parts = ", ".join(f"{100 * count / total:.0f} % {dtype.short}" for dtype, count in shares)
            yield self.finding(
                component.loaded_from,
                f"the {component.label} in this file is stored in several dtypes: {parts}",
                because="the narrower part has lost numbers that the wider part still has",
                fix=Fix("store each component in one dtype"),
                source=parts,
            )


def _floats(component: Component, known: Knowledge) -> dict[DType, int]:
    """Parameters by dtype, without those in float32 that a library keeps so in every model of this class."""
    floats = {dtype: amount.parameters for dtype, amount in component.sets[0].stock.items() if dtype.is_wide}
    names = keep_list(component, F16, component.pipeline.request, known) if len(floats) > 1 and F32 in floats else ()
    if names:
        kept = matcher(component, names, component.pipeline.request)
        found = [t for _, t in component.sets[0].tensors() if t.dtype is F32 and kept.search(t.key)]
        floats[F32] -= sum(tensor.elements for tensor in found)
    return floats
