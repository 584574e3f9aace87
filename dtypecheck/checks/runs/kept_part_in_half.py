"""A part that the library keeps in float32 ran in half: something cast the model after it was loaded."""

from __future__ import annotations

from collections.abc import Iterator

from ...dtypes import DType
from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.keep import keep_list, matcher
from ...rule import Rule
from ...subjects import Component
from ...subjects.shown import Event, Run
from ..shown import by_component, component_of, half_of, more, place
from ..words import listed


class KeptPartInHalf(Rule):
    """A part that its class keeps in float32 ran in half: a cast after loading undid what from_pretrained does.

    from_pretrained leaves some parameters of some classes in float32 (norms, time embeddings, tables of scales) because they
    lose too much in half. `.to(dtype)`, `.half()` and from_single_file cast them with the rest, without a word. A warning
    where the class is known to keep the part, a note where it is not.

    ```bad
    $ --dtype bfloat16
    config.json: {"_class_name": "WanTransformer3DModel"}
    diffusion_pytorch_model.safetensors: blocks.0.norm2.weight F32 8; proj_out.weight F32 4x4
    run: runs on cuda
    event: island blocks.0.norm2 layer_norm BF16->BF16 | 40 times
    ```

    ```good
    run: runs on cuda
    event: island transformer.blocks.0.norm2 layer_norm BF16->BF16 | by design
    ```

    ```good
    run: crashes on cuda
    crash: transformer.blocks.0.norm2 layer_norm | input BF16 | weight F32
    ```
    """

    code = "DT303"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding a component, at the first such part."""
        for name, events in by_component(run, "island"):
            yield self._tell(run, name, events, known)

    def _tell(self, run: Run, name: str, events: list[Event], known: Knowledge) -> Finding:
        first = events[0]
        dtype = half_of(first)
        component = component_of(run, first.module)
        kept = _kept(component, [event.module for event in events], dtype, run, known) if component else ()
        label = component.described if component else name
        says = (
            f"{label} keeps {listed((*kept[:3], *([f'{len(kept) - 3} more'] if len(kept) > 4 else kept[3:])))} in fp32"
            if kept
            else ""
        )
        return self.finding(
            place(run, first.module),
            f"{first.module}{more(len(events) - 1)} ran in {dtype.short}; from_pretrained keeps "
            f"{'it' if len(events) == 1 else 'them'} in fp32",
            severity="warning" if kept else "note",
            because=says,
            fix=Fix(
                f"pass torch_dtype=torch.{dtype.torch} to from_pretrained, and leave out .to({dtype.torch}) or .half() after it"
            ),
            source=f"{dtype.name} {component.klass if component else ''}",
            component=component.name if component else name,
        )


def _kept(component: Component, modules: list[str], dtype: DType, run: Run, known: Knowledge) -> tuple[str, ...]:
    """The keep list of the class, if one of these modules is on it."""
    if run.pipeline is None or not (names := keep_list(component, dtype, run.pipeline.request, known)):
        return ()
    named = matcher(component, names, run.pipeline.request)
    return names if any(named.search(f"{module}.weight") for module in modules) else ()
