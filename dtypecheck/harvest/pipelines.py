"""Rows of pipelines.toml: what each diffusers pipeline class does with dtypes, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .source import Class, Function, Library, Methods, library, nodes
from .vaes import Functions, Site

Row = dict[str, Any]

GENERATED = (
    "deprecated",
    "decode",
    "restores",
    "encode",
    "lowers",
    "embeds",
    "latents",
    "reads_force_upcast",
    "components",
    "denoisers",
)

_DENOISER = re.compile(
    r"(unconditional_)?transformer(_\d+)?|(image_|text_)?unet(_\d+)?|dit|prior|prior_prior|decoder|super_res_(first|last)"
)
_NO_WEIGHTS = re.compile(
    r"((?<!Audio)Tokenizer(Fast|Base)?|Processor|ProcessorMixin|Scheduler|Schedulers|Extractor|Guidance|Guider|Mel|OnnxRuntimeModel)$"
    r"|^(bool|int|str|float|list|dict|tuple|None|Any|Optional|Union|MixGuidance|SchedulerMixin|BaseGuidance|PipelineImageInput)$"
)


def pipeline_rows(root: Path) -> dict[str, Row]:
    """One row for each pipeline class, and one `modular:<name>` for each modular pipeline that decodes."""
    source = library("diffusers", root, (root / "pipelines").rglob("*.py"))
    rows: dict[str, Row] = {}
    for name, classes in sorted(source.classes.items()):
        cls = classes[0]
        if source.inherits(cls, "DiffusionPipeline") and not name.startswith("Flax") and not name.endswith("Mixin"):
            rows[name] = _pipeline(source, cls)
    return rows | dict(_modular(root))


def _pipeline(source: Library, cls: Class) -> Row:
    methods = Methods(source, cls)
    components = _components(methods)
    denoisers = [name for name in components if _DENOISER.fullmatch(name)]
    row = _row(source, Functions(tuple(methods)), denoisers)
    return row | {
        "source": row["source"] or [source.at(cls, cls.node.lineno)],
        "deprecated": "/deprecated/" in f"/{cls.module}" or source.inherits(cls, "DeprecatedPipelineMixin"),
        "components": components,
        "denoisers": denoisers,
    }


def _row(source: Library, functions: Functions, denoisers: list[str]) -> Row:
    decode, restores, decoded = functions.decode()
    encode, encoded = functions.encode()
    embeds, cast = _embeds(functions, denoisers)
    at = [(site.owner, site.line) for site in (*decoded[:1], *encoded[:1])] + cast
    return {
        "decode": decode,
        "restores": restores,
        "encode": encode,
        "lowers": functions.lowers(),
        "embeds": embeds,
        "latents": _latents(functions, denoisers),
        "reads_force_upcast": any(_reads_force_upcast(function) for _, function in functions.all),
        "source": sorted({source.at(owner, line) for owner, line in at or _starts(functions)}),
    }


def _starts(functions: Functions) -> list[tuple[Class, int]]:
    """Where `__call__` begins: what is cited for a class that neither decodes nor casts."""
    return [(owner, function.lineno) for owner, function in functions.all if function.name == "__call__"]


def _modular(root: Path) -> Iterator[tuple[str, Row]]:
    """The blocks of a modular pipeline, taken together, one after another."""
    for folder in sorted((root / "modular_pipelines").iterdir()):
        if not folder.is_dir():
            continue
        source = library("diffusers", root, folder.rglob("*.py"))
        blocks = [one for classes in source.classes.values() for one in classes]
        decoding: list[Site] = []
        kinds, restores, reads = [], True, False
        for block in blocks:
            functions = Functions(tuple((block, function) for function in block.functions()))
            kind, restored, sites = functions.decode()
            if sites:
                decoding += sites
                kinds.append(kind)
                restores &= restored
                reads |= any(_reads_force_upcast(function) for _, function in functions.all)
        if decoding:
            decode = next(kind for kind in ("same", "upcast", "upcast+cast", "cast") if kind in kinds)
            yield (
                f"modular:{folder.name}",
                {
                    "decode": decode,
                    "restores": restores,
                    "reads_force_upcast": reads,
                    "source": sorted({source.at(site.owner, site.line) for site in decoding}),
                },
            )


def _components(methods: Methods) -> dict[str, str]:
    """Name and class of what `__init__` takes that can hold weights; several classes are joined by ` | `."""
    if "__init__" not in methods.by_name:
        return {}
    arguments = methods.by_name["__init__"][1].args
    found: dict[str, str] = {}
    for one in (*arguments.args, *arguments.kwonlyargs):
        if one.annotation is not None and (classes := _classes(one.annotation)):
            found[one.arg] = " | ".join(classes)
    return found


def _classes(annotation: ast.expr) -> tuple[str, ...]:
    """The class names of an annotation that hold weights, each once."""
    text = (
        annotation.value
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
        else ast.unparse(annotation)
    )
    names = dict.fromkeys(name.rsplit(".", 1)[-1] for name in re.findall(r"[A-Za-z_][\w.]*", text))
    if any(name.islower() and name not in ("list", "tuple") for name in names):  # bool, int | None, list[float], ...
        return ()
    return tuple(name for name in names if not _NO_WEIGHTS.search(name))


def _embeds(functions: Functions, denoisers: list[str]) -> tuple[str, list[tuple[Class, int]]]:
    """cast when prompt embeddings are put in the denoiser's dtype before it is called, and where."""
    wanted, found = set(denoisers), list[tuple[Class, int]]()
    for owner, function in functions.all:
        flow = functions.flow(function)
        if function.name != "__call__" and "prompt" not in function.name:
            continue
        unsure = set(_with_encoder(function))
        for name, assignments in flow.assigned.items():
            if _is_embeds(name):
                found += [
                    (owner, line) for line, value, _ in assignments if _only(flow.casts(value), wanted) and line not in unsure
                ]
        for node in nodes(function):
            if isinstance(node, ast.keyword) and node.arg and _is_embeds(node.arg) and _only(flow.casts(node.value), wanted):
                found.append((owner, node.value.lineno))
    return ("cast" if found else "same"), sorted(found, key=lambda one: one[1])[:1]


def _only(owners: frozenset[str], wanted: set[str]) -> bool:
    return bool(owners) and owners <= wanted


def _with_encoder(function: Function) -> Iterator[int]:
    """Lines that run only with, or only without, a text encoder."""
    for node in nodes(function):
        if isinstance(node, ast.If) and "text_encoder" in ast.unparse(node.test):
            yield from (part.lineno for part in ast.walk(node) if isinstance(part, ast.stmt))


def _is_embeds(name: str) -> bool:
    return not name.startswith(("negative", "connector")) and any(
        word in name for word in ("prompt_embeds", "encoder_hidden_states", "text_embeds")
    )


def _latents(functions: Functions, denoisers: list[str]) -> str:
    """Whose dtype `prepare_latents` is asked for in `__call__`."""
    named = {function.name: function for _, function in functions.all}
    main, prepare = named.get("__call__"), named.get("prepare_latents")
    if main is None or prepare is None:
        return "unknown"
    flow = functions.flow(main)
    names = [one.arg for one in prepare.args.args][1:]
    for node in nodes(main):
        match node:
            case ast.Call(func=ast.Attribute(attr="prepare_latents"), args=args, keywords=keywords):
                bound = dict(zip(names, args, strict=False)) | {one.arg: one.value for one in keywords if one.arg}
                if "dtype" in bound:
                    return _word(flow.dtype(bound["dtype"]), denoisers)
    return "unknown"


def _word(owners: frozenset[str], denoisers: list[str]) -> str:
    if owners & {"prompt_embeds"}:
        return "prompt_embeds"
    if owners == {"F32"}:
        return "F32"
    return "denoiser" if owners & set(denoisers) else "unknown"


def _reads_force_upcast(function: Function) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "force_upcast" for node in nodes(function))


def pipeline_row(old: Row, new: Row) -> Row:
    """The harvested keys, except those named in `fixed`, then what was curated; `why` is ours until someone writes one."""
    fixed = old.get("fixed", ())
    row = {key: old.get(key, new.get(key)) if key in fixed else new.get(key) for key in GENERATED}
    generated = {key: value for key, value in row.items() if value is not None and _QUIET.get(key) is not value}
    curated = {key: value for key, value in old.items() if key not in (*GENERATED, "why", "source")}
    why = sentence(generated) if old.get("why", sentence(old)) == sentence(old) else old["why"]
    cited = [one for one in old.get("source", ()) if not one.startswith("diffusers@")]
    return {**generated, **curated, "why": why, "source": [*new["source"], *cited]}


_QUIET = {"deprecated": False, "restores": True, "lowers": False}  # values that are not written down
_DECODES = {
    "same": "Hands the latents to the VAE in their own dtype, so the VAE must have it too.",
    "cast": "Casts the latents to the VAE's dtype before it decodes, so the VAE may have its own.",
    "upcast": "Runs an fp16 VAE in fp32 to decode when config.force_upcast is set; any other VAE must have the latents' dtype.",
    "upcast+cast": "Runs an fp16 VAE in fp32 to decode when config.force_upcast is set, and casts the latents to its dtype.",
    "none": "Decodes with no VAE.",
}


def sentence(row: Row) -> str:
    """What a row says, in words."""
    said = [_DECODES.get(row.get("decode", ""), "")]
    if row.get("restores") is False:
        said.append("The VAE stays in fp32 afterwards.")
    if row.get("encode") == "upcast":
        said.append("Puts the VAE in fp32 to encode an image.")
    if row.get("embeds") == "cast":
        said.append("Casts prompt embeddings to the denoiser's dtype.")
    return " ".join(said)
