"""A tensor wider than a component's own dtype came in, and what follows runs wide: time and memory, and no error."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects.shown import Event, Run
from ..shown import more, named, place
from ..words import size, strangers


class StreamPromoted(Rule):
    """A half stream meets a wider tensor inside a component and goes on in the wider dtype: nothing crashes, it costs time and memory.

    PyTorch gives `half + float32` as float32 without a word. One tensor that comes in wide, as prompt embeddings of a text
    encoder in float32 or latents that the caller made, can take all of the net behind it along. What diffusers and
    transformers widen by design, in timesteps, norms or attention, is not meant and is silent. One finding for each
    component and whoever brought the wide tensor.

    ```bad
    run: runs on cuda
    event: promoted unet.mid_block.attentions.0 add F16+F32->F32 | by text_encoder (prompt_embeds) | 1234567 bytes | 12 downstream
    ```

    ```good
    run: runs on cuda
    event: promoted unet.time_embedding mul F16+F32->F32 | by unet.time_proj | 1234567 bytes | by design
    ```

    ```good
    run: runs on cuda
    event: rotary transformer.rope mul BF16->BF16
    ```
    """

    code = "DT302"
    severity = "warning"

    def check(self, run: Run, known: Knowledge) -> Iterator[Finding]:
        """One finding for each component and maker of the wide tensor, at the first module where it happens."""
        groups: dict[tuple[str, str], list[Event]] = {}
        for event in run.unasked:
            if event.kind == "promoted":
                groups.setdefault((event.module.partition(".")[0], event.by), []).append(event)
        told = {operand.made for operand in strangers(run.crash)} if run.crash else set()
        for (name, by), events in groups.items():
            if by and by in told:
                continue  # the crash names the same tensor
            yield self._tell(run, name, by, events)

    def _tell(self, run: Run, name: str, by: str, events: list[Event]) -> Finding:
        first, nbytes = events[0], sum(event.nbytes for event in events)
        wide = first.to.short if first.to else "a wider dtype"
        narrow = next((dtype.short for dtype in first.dtypes if dtype.is_half), "half")
        behind = max(event.downstream for event in events)
        costs = [f"{behind:,} module{'s' * (behind > 1)} behind it run wide"] * bool(behind)
        costs += [f"{size(nbytes)} more for what the operators give"] * bool(nbytes)
        source = f" from {by}" if by else ""
        operator = f" ({first.operator})" if first.operator else ""
        giver = named(run, by)
        goes = "goes" if len(events) == 1 else "go"
        return self.finding(
            place(run, first.module),
            f"{first.module}{more(len(events) - 1)} {goes} on in {wide}: {narrow} meets {wide}{source}{operator}"
            + (f"; {', '.join(costs)}" if costs else ""),
            against=giver.loaded_from if giver and giver.name != name else None,
            because=f"PyTorch gives {narrow} and {wide} together as {wide}, and nothing in {name or 'the pipeline'} casts it back",
            fix=Fix(_advice(by, narrow, giver.name if giver else ""), lossless=False),
            source=f"{by} {narrow} {wide}",
            component=name,
            also=(giver.name,) if giver and giver.name != name else (),
        )


def _advice(by: str, narrow: str, giver: str) -> str:
    if giver:
        return f"load {giver} in {narrow} too"
    if by.startswith("the argument "):
        return f"pass {by.removeprefix('the ').partition(' (')[0]} in {narrow}"
    return f"cast it to {narrow} where it is made" + (f": {by}" if by else "")
