"""From files to pipelines: which folder is a pipeline, which a lone model, which file a checkpoint or an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..dtypes import parse
from ..files import Entry, Files, inside
from ..findings import Where
from ..knowledge import Knowledge
from ..subjects import Claim, Component, Config, Pipeline, Problem, WeightFile, WeightSet
from .formats import FOREIGN, READERS, read_header, stock_of, suffix_of
from .header import BROKEN_JSON, OTHER_FORMAT, PATH_ESCAPE, UNREADABLE, WEIGHTS_MISSING, Header
from .jsons import read_config
from .packed import quantised
from .roles import role_of
from .shards import weight_sets
from .single import components as split
from .single import recognise, rest

CHECKED_JSON: Final = re.compile(r"(.*config|model_index|special_tokens_map|.*\.index(\..+)?)\.json")
"""Settings that are read, or at least looked at for being JSON."""
NO_MODEL: Final = re.compile(
    r"(training_args|optimizer|scheduler|scaler|rng_state.*|random_states.*|trainer_state)\.(bin|pt|pth)"
)
_KEPT_BLOBS: Final = 64
_MOST_COMPONENTS: Final = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """One pipeline with the problems of its files, or problems that belong to no pipeline. files: weight files and JSON read."""

    pipeline: Pipeline | None
    problems: tuple[Problem, ...] = ()
    files: int = 0


@dataclass(slots=True)
class _Folder:
    path: str
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def code(self) -> set[str]:
        """Its Python files: code that comes with a model."""
        return {entry.name for name, entry in self.entries.items() if name.endswith(".py")}


class Reader:
    """Reads one place. Every header is read once, also when several names of a hub cache mean the same blob."""

    def __init__(self, files: Files, known: Knowledge) -> None:
        self.files = files
        self.known = known
        self.problems: list[Problem] = []
        self.read = 0
        self._folders: dict[str, _Folder] = {}
        self._inside: dict[str, set[str]] = {}
        self._unlisted: set[str] = set()
        self._blobs: dict[str, Header] = {}

    def readings(self) -> Iterator[Reading]:
        """Every pipeline of the place, one at a time: those with a model_index first, then what is left."""
        for entry in self.files.entries():
            if entry.size < 0:
                self._unlisted.add(entry.name)
                self.problems.append(Problem(UNREADABLE, Where(entry.name), entry.identity.partition(":")[2]))
                continue
            path, _, name = entry.name.rpartition("/")
            if path not in self._folders:
                self._folders[path] = _Folder(path)
                self._note_folder(path)
            self._folders[path].entries[name] = entry
        taken: set[str] = set()
        for folder in [folder for folder in self._folders.values() if "model_index.json" in folder.entries]:
            parts: set[str] = set()
            yield self._reading(self._pipeline(folder, parts))
            taken |= parts
            self._forget(parts)
        for folder in [folder for path, folder in self._folders.items() if path not in taken]:
            if "model_index.json" not in folder.entries:
                yield from self._lone(folder)
            else:
                for file in self._loose(folder, set()):
                    yield self._reading(self._single(file))
            self._forget({folder.path})
        yield self._reading(None)

    def _forget(self, paths: Set[str]) -> None:
        """Let the listings of folders go that were read; those of a thousand models take room."""
        for path in paths:
            if (folder := self._folders.get(path)) and "model_index.json" not in folder.entries:
                folder.entries = {}

    def _reading(self, pipeline: Pipeline | None) -> Reading:
        """A pipeline with the problems of its files; those of others wait for theirs, and in the end for the reading of none."""
        own: list[Problem] = []
        later: list[Problem] = []
        for problem in self.problems:
            (own if pipeline is None or _is_of(problem, pipeline) else later).append(problem)
        result = Reading(pipeline, tuple(own), self.read)
        self.problems, self.read = later, 0
        return result

    def config(self, entry: Entry) -> Config | None:
        """A JSON file; None, and a problem noted, when it is broken."""
        self.read += 1
        content, problem = read_config(self.files, entry)
        if problem:
            self.problems.append(problem)
        return content

    def weights(self, entry: Entry) -> WeightFile:
        """A weight file by its header; problems are noted, and the result then is not readable."""
        self.read += 1
        suffix = suffix_of(entry.name)
        blob = entry.identity if entry.identity.startswith("sha256:") else ""
        header = self._blobs.get(blob) if blob else None
        if header is None:
            header = read_header(READERS[suffix], self.files, entry)
            if blob:
                self._blobs[blob] = header
                if len(self._blobs) > _KEPT_BLOBS:
                    del self._blobs[next(iter(self._blobs))]
        self.problems += (replace(problem, where=replace(problem.where, path=entry.name)) for problem in header.problems)
        tensors = header.tensors
        stock = stock_of(header)
        sha256 = blob.removeprefix("sha256:") or None
        trouble = header.problems[0].kind if header.problems else None
        if tensors is not None and not len(tensors) and not trouble:
            trouble = WEIGHTS_MISSING
            self.problems.append(Problem(WEIGHTS_MISSING, Where(entry.name), "the file holds no tensor"))
        return WeightFile(entry.name, header.format, entry.size, stock, tensors, header.metadata, sha256, trouble)

    def _pipeline(self, folder: _Folder, taken: set[str]) -> Pipeline:
        """What a model_index.json names; the folders of its components are added to `taken`."""
        index = self.config(folder.entries["model_index.json"])
        path = folder.path or "."
        if index is None:
            return Pipeline(path, None, "pipeline")
        named = index.data.get("_class_name")
        klass = named[-1] if isinstance(named, list) and named else named
        row = self.known.row("pipelines", klass) if isinstance(klass, str) else {}
        found: list[Component] = []
        for name, value in index.data.items():
            if len(found) >= _MOST_COMPONENTS:
                self.problems.append(Problem(BROKEN_JSON, Where(index.path), f"it names more than {_MOST_COMPONENTS} components"))
                break
            if name.startswith("_") or not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], str):
                continue
            place = inside(folder.path, name)
            if place is None or "/" in name:
                self.problems.append(
                    Problem(PATH_ESCAPE, index.where(name), f"the component {name!r} is no folder of this pipeline")
                )
                continue
            taken.add(place)
            role = "denoiser" if name in row.get("denoisers", ()) else role_of(self.known, name, value[1])
            if role == "weightless":
                self._check_json(self._folders.get(place))
            else:
                found.append(self._component(name, place, value, role, index))
        self._check_json(folder)
        if not isinstance(klass, str):
            self.problems.append(Problem(BROKEN_JSON, index.where("_class_name"), "its _class_name is missing or no name"))
        klass = klass if isinstance(klass, str) else None
        code = frozenset(folder.code.union(*(self._folders[place].code for place in taken if place in self._folders)))
        return Pipeline(path, klass, "pipeline", tuple(found), config=index, code=code)

    def _component(self, name: str, path: str, named: list[str | None], role: str, index: Config) -> Component:
        folder = self._folders.get(path, _Folder(path))
        config = self._own_config(folder)
        found = weight_sets(path, folder.entries, self.weights, self.config)
        self.problems += found.problems
        foreign = self._foreign(folder)
        if not found.sets and not foreign and not found.problems and not self._broken(path):
            detail = (
                f"{name}: no weights in {path}/"
                if folder.entries
                else f"{name}: model_index.json names it, there is no folder {path}/"
            )
            self.problems.append(Problem(WEIGHTS_MISSING, index.where(name), detail, Where(path)))
        self._check_json(folder, found.used)
        declared_as = config.data if config else {}
        family = (
            named[0]
            if named[0] in ("diffusers", "transformers")
            else "diffusers"
            if "_class_name" in declared_as
            else "transformers"
        )
        made = self._made(name, path, named[1], family or "diffusers", role, config, tuple(found.sets))
        undotted = tuple(name for name in sorted({*folder.entries, *self._inside.get(path, ())}) if "." not in name)
        return replace(made, undotted=undotted)

    def _note_folder(self, path: str) -> None:
        """Tell the folders above a new one that they have it."""
        while path:
            above, _, name = path.rpartition("/")
            known = self._inside.setdefault(above, set())
            if name in known:
                return
            known.add(name)
            path = above

    def _made(
        self, name: str, path: str, klass: str | None, family: str, role: str, config: Config | None, sets: tuple[WeightSet, ...]
    ) -> Component:
        declared = None
        if config and family == "transformers":
            key = "dtype" if config.data.get("dtype") is not None else "torch_dtype"
            said = config.data.get(key)
            dtype = parse(said) if isinstance(said, str) else None
            declared = Claim(dtype, config.where(key), "declares") if dtype else None
        return Component(name, path, klass, family, role, config, sets, declared, quantised(config, sets))

    def _own_config(self, folder: _Folder) -> Config | None:
        entry = folder.entries.get("config.json")
        return self.config(entry) if entry else None

    def _broken(self, path: str) -> bool:
        """True when a file of this folder already has a finding that explains why nothing could be read."""
        told = any(problem.where.path.startswith(path + "/") and problem.kind != BROKEN_JSON for problem in self.problems)
        return told or any(name == path or name.startswith(path + "/") for name in self._unlisted)

    def _check_json(self, folder: _Folder | None, read: Set[str] = frozenset()) -> None:
        """Tell the broken ones among the settings that loaders read; `read` and config.json were read before."""
        for name, entry in (folder.entries if folder else {}).items():
            if CHECKED_JSON.fullmatch(name) and name not in ("config.json", "model_index.json") and name not in read:
                self.config(entry)

    def _foreign(self, folder: _Folder) -> bool:
        names = [name for name in folder.entries if suffix_of(name) in FOREIGN or name.startswith("openvino_")]
        for name in names:
            what = FOREIGN.get(suffix_of(name), "an OpenVINO model")
            if not name.endswith(".xml"):
                self.problems.append(
                    Problem(OTHER_FORMAT, Where(folder.entries[name].name), f"{what}: its dtypes were not looked at")
                )
        return bool(names)

    def _lone(self, folder: _Folder) -> Iterator[Reading]:
        """A folder that no model_index names: a component, a transformers model, a PEFT adapter, or loose files."""
        config = self._own_config(folder)
        data = config.data if config else {}
        is_model = any(key in data for key in ("_class_name", "architectures", "model_type", "quantization_config"))
        found = weight_sets(folder.path, folder.entries, self.weights, self.config)
        self.problems += found.problems
        adapters = tuple(s for s in found.sets if s.stem in ("adapter_model", "pytorch_lora_weights"))
        sets = tuple(s for s in found.sets if s not in adapters)
        foreign = self._foreign(folder)
        self._check_json(folder, found.used)
        name = folder.path.rpartition("/")[2]
        if is_model and config and (sets or not folder.path):
            family = "diffusers" if "_class_name" in data else "transformers"
            klass = _class(data)
            if not sets and not foreign and not found.problems:
                detail = "a model's config.json without weights beside it"
                self.problems.append(Problem(WEIGHTS_MISSING, Where(config.path), detail))
            component = self._made(name, folder.path, klass, family, role_of(self.known, name, klass), config, sets)
            kind = "component" if family == "diffusers" else "model"
            yield self._reading(Pipeline(folder.path or ".", None, kind, (component,), loose=self._loose(folder, found.used)))
        else:
            for file in (*(file for chosen in sets for file in chosen.files), *self._loose(folder, found.used)):
                yield self._reading(self._single(file))
        for chosen in adapters:
            component = Component(name, folder.path, None, "adapter", "lora", None, (chosen,))
            yield self._reading(Pipeline(chosen.where.path, None, "adapter", (component,)))

    def _loose(self, folder: _Folder, used: set[str]) -> tuple[WeightFile, ...]:
        names = [n for n in folder.entries if n not in used and suffix_of(n) in READERS and not NO_MODEL.fullmatch(n)]
        return tuple(self.weights(folder.entries[name]) for name in names if not name.startswith("openvino_"))

    def _single(self, file: WeightFile) -> Pipeline:
        layout = recognise(file, self.known)
        parts = split(file, layout) if file.tensors is not None else ()
        if layout.kind in ("lora", "embedding", "ip-adapter"):
            parts = tuple(Component("", c.path, None, "adapter", layout.kind, None, c.sets) for c in parts)
            return Pipeline(file.path, None, "adapter", parts)
        packed = tuple(
            Component(c.name, c.path, c.klass, c.family, c.role, c.config, c.sets, None, quantised(None, c.sets)) for c in parts
        )
        return Pipeline(file.path, layout.pipeline, "single-file", packed, loose=rest(file, parts))


def _is_of(problem: Problem, pipeline: Pipeline) -> bool:
    """Whether a problem is one of the file that a pipeline is, or of a file in the folder that it is."""
    path, alone = problem.where.path, pipeline.kind in ("single-file", "adapter")
    return path == pipeline.path or (not alone and (pipeline.path == "." or path.startswith(f"{pipeline.path}/")))


def _class(data: Mapping[str, Any]) -> str | None:
    """The class that a model's config names, None where it names none."""
    listed = data.get("architectures")
    named = data.get("_class_name") or (listed[0] if isinstance(listed, list) and listed else None)
    return named if isinstance(named, str) else None
