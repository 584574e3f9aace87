"""Position ids are stored as floating point numbers."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix, Where
from ...knowledge import Knowledge
from ...rule import Rule
from ...subjects import WeightFile


class FloatPositionIds(Rule):
    """Position ids are stored as floating point numbers.

    A merge or conversion cast every tensor. Libraries of today make these ids themselves; older ones index with them and
    fail, and in half precision ids above 2048 are no longer exact.

    ```bad
    config.json: {"architectures": ["CLIPTextModel"]}
    model.safetensors: text_model.embeddings.position_ids F16 1x77; text_model.final_layer_norm.weight F16 8
    ```

    ```good
    config.json: {"architectures": ["CLIPTextModel"]}
    model.safetensors: text_model.embeddings.position_ids I64 1x77; text_model.final_layer_norm.weight F16 8
    ```
    """

    code = "DT117"
    severity = "note"
    in_gate = False

    def check(self, file: WeightFile, known: Knowledge) -> Iterator[Finding]:
        """One finding a file, naming the first such tensor."""
        if file.tensors is None or not any(key.endswith("position_ids") for key in file.tensors.keys):
            return
        floats = [t for t in file.tensors if t.dtype.is_float and t.key.endswith("position_ids")]
        if floats:
            yield self.finding(
                Where(file.path, floats[0].key),
                f"{floats[0].key} is stored in {floats[0].dtype.short}; position ids are whole numbers",
                because="only old loaders index with them; they then fail, or round above 2048",
                fix=Fix("store it as int64, or leave it out"),
                source=floats[0].dtype.name,
            )
