"""What a library really does with a folder or file: loads it and says each parameter's dtype. Runs where there is no dtypecheck.

python real.py < wanted.json > found.json       a list of what to load, a list of what came of it
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any


def load(wanted: dict[str, Any]) -> dict[str, Any]:
    """One load. wanted: path, klass, library, variant, dtypes (component to dtype, "" for all the rest; empty for none).

    method: from_pretrained or from_single_file; config: the folder a single file takes its settings from; without: components.
    Returns `parts`: for each component its parameters and persistent buffers, each once, as {name: [dtype, shape, first number]},
    or `error`: the names of the exception's classes, and its text.
    """
    import torch

    klass = getattr(importlib.import_module(wanted["library"]), wanted["klass"])
    given = {name: getattr(torch, dtype) for name, dtype in wanted["dtypes"].items()}
    options: dict[str, Any] = {"local_files_only": True}
    if given:
        options["torch_dtype"] = given[""] if list(given) == [""] else {name or "default": dtype for name, dtype in given.items()}
    if wanted.get("variant"):
        options["variant"] = wanted["variant"]
    if wanted.get("config"):
        options["config"] = wanted["config"]
    folder = Path(wanted.get("config") or wanted["path"])
    options |= dict.fromkeys([*_absent(folder), *wanted.get("without", ())])
    try:
        loaded = getattr(klass, wanted.get("method", "from_pretrained"))(wanted["path"], **options)
    except Exception as fault:  # noqa: BLE001 - whatever the library raises is what is asked for
        text = traceback.format_exception_only(fault)[-1][:300]
        return {"error": [kind.__name__ for kind in type(fault).__mro__], "text": text}
    parts = {"": loaded} if isinstance(loaded, torch.nn.Module) else loaded.components
    return {"parts": {name: _tensors(part) for name, part in parts.items() if isinstance(part, torch.nn.Module)}}


def _absent(folder: Path) -> list[str]:
    """Components that model_index.json has as null: the tokenizers, which must be given so that nothing asks for them."""
    index = folder / "model_index.json"
    listed = json.loads(index.read_text()) if index.is_file() else {}
    return [name for name, value in listed.items() if value == [None, None]]


def _tensors(module: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            number = tensor.detach().flatten()[:1].double().tolist()
            found[name] = [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), *number]
    return found


def step(path: str) -> str:
    """One denoising step of an SDXL folder loaded without a dtype: "ran", or the error's text."""
    import diffusers
    import torch

    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(path, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        ids = torch.tensor([[1, 5, 7, 2]])
        first = pipe.text_encoder(ids, output_hidden_states=True)
        second = pipe.text_encoder_2(ids, output_hidden_states=True)
        prompt = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        try:
            pipe(
                prompt_embeds=prompt, pooled_prompt_embeds=second[0], guidance_scale=1.0, num_inference_steps=1,
                height=16, width=16, output_type="latent",
            )  # fmt: skip
        except RuntimeError as fault:
            return str(fault)
    return "ran"


def versions() -> dict[str, str]:
    return {name: importlib.import_module(name).__version__ for name in ("diffusers", "transformers")}


def main() -> None:
    wanted = json.load(sys.stdin)
    found = [step(item["step"]) if "step" in item else load(item) for item in wanted]
    json.dump({"versions": versions(), "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
