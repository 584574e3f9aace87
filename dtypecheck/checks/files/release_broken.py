"""The library release that the plan is for is known to do something wrong with this class."""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding, Fix
from ...knowledge import Knowledge, holds
from ...rule import Rule
from ...subjects import Pipeline


class ReleaseBroken(Rule):
    """The release of diffusers or transformers that the plan is for does something wrong with dtypes in one of these classes.

    A warning when both releases' source was compared, or a maintainer says so; a note when it was only reported. The
    versions are those installed, a lock file's, or --lib's.

    ```bad
    $ --lib diffusers==0.32
    model_index.json: {"_class_name": "PixArtSigmaPipeline", "transformer": ["diffusers", "PixArtTransformer2DModel"]}
    transformer/config.json: {"_class_name": "PixArtTransformer2DModel"}
    transformer/diffusion_pytorch_model.safetensors: proj_out.weight F16 4x4
    ```

    ```good
    $ --lib diffusers==0.42
    model_index.json: {"_class_name": "PixArtSigmaPipeline", "transformer": ["diffusers", "PixArtTransformer2DModel"]}
    transformer/config.json: {"_class_name": "PixArtTransformer2DModel"}
    transformer/diffusion_pytorch_model.safetensors: proj_out.weight F16 4x4
    ```
    """

    code = "DT122"
    severity = "warning"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding a row that is about this release and a class in this pipeline."""
        named = (pipeline.klass, *(component.klass for component in pipeline.components))
        classes = {name for name in named if name}
        for library, version, _ in pipeline.request.libraries:
            for row in known.rows("releases", library):
                if classes.intersection(row.get("classes", ())) and holds(row, pipeline.request.version(library)):
                    end = row.get("until")
                    yield self.finding(
                        pipeline.components[0].where if pipeline.config is None else pipeline.config.where("_class_name"),
                        f"{library} {version} with {', '.join(sorted(classes.intersection(row['classes'])))}: {row['what']}",
                        severity="note" if row.get("evidence") == "reported" else "warning",
                        because=row["why"],
                        fix=Fix(f"use {library} {end} or newer") if end else None,
                        source=f"{library} {row['what']}",
                    )
