"""model_index.json names a class that the library does not have, so that from_pretrained stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from ...findings import Finding, Fix
from ...knowledge import Knowledge
from ...loading.named import CLASS, LIBRARIES, Unfound, classes, unfound
from ...rule import Rule
from ...subjects import Pipeline


class ClassNotThere(Rule):
    """model_index.json names a class or a library that is not there, so that from_pretrained stops.

    diffusers takes the class of a part from model_index.json, whatever the part's own config.json says. Without the libraries
    only the names of one release are known: an error where the plan is for this release, a note where the class may be one of
    another. A rehearsal asks the installed libraries themselves. Code that comes with the model (`vae/my_vae.py`) is never
    looked into; a part that is null is the caller's to bring.

    ```bad
    $ --lib diffusers==0.42.1
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKLX"]}
    vae/config.json: {"_class_name": "AutoencoderKL"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```

    ```bad
    $ --lib diffusers==0.42.1
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["my_vae", "MyVAE"]}
    vae/config.json: {"_class_name": "MyVAE"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```

    ```good
    $ --lib diffusers==0.42.1
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["diffusers", "AutoencoderKL"], "unet": [null, null]}
    vae/config.json: {"_class_name": "AutoencoderKLX"}
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```

    ```good
    $ --lib diffusers==0.42.1
    model_index.json: {"_class_name": "StableDiffusionPipeline", "vae": ["my_vae", "MyVAE"]}
    vae/config.json: {"_class_name": "MyVAE"}
    vae/my_vae.py: text "class MyVAE: ..."
    vae/diffusion_pytorch_model.safetensors: decoder.conv_in.weight F16 4x4
    ```
    """

    code = "DT125"
    severity = "error"

    def check(self, pipeline: Pipeline, known: Knowledge) -> Iterator[Finding]:
        """One finding for each entry that names nothing: as the libraries say where they were asked, else as the rows do."""
        if pipeline.config is None:
            return
        asked = None if pipeline.unloadable is None else [Unfound(key, text) for key, text in pipeline.unloadable.items()]
        for found in unfound(pipeline, known) if asked is None else asked:
            part = pipeline.named(found.key)
            own = part.config.get("_class_name") if part and part.config else None
            yield self.finding(
                pipeline.config.where(found.key),
                found.text if found.key == CLASS else f"{found.key}: {found.text}",
                severity="error" if found.sure else "note",
                against=part.config.where("_class_name") if part and part.config and own else None,
                because="from_pretrained looks the class up that model_index.json names, and stops",
                fix=_fix(pipeline.config.data.get(found.key), own, known),
                component=part.name if part else "",
                source=str(pipeline.config.data.get(found.key)),
            )


def _fix(value: object, own: object, known: Knowledge) -> Fix | None:
    """The class that the part's config names, else the one with the nearest name; None where there is none."""
    there = sorted(name for library in LIBRARIES for name in classes(library, known))
    if isinstance(own, str) and own in there:
        return Fix(f"name {own} in it, as the part's config.json does")
    words = value[-1:] if isinstance(value, list) else [value]
    near = [name for word in words if isinstance(word, str) for name in _near(word, there)]
    return Fix(f"name a class that is there; the nearest is {near[0]}") if near else None


def _near(word: str, there: Iterable[str]) -> list[str]:
    return get_close_matches(word, there, n=1, cutoff=0.7)
