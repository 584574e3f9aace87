"""Models and pipelines: what loads them, which dtype that asks for, and what a pipeline's attributes are."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from ...dtypes import BY_NAME, F32, DType, parse
from ...knowledge import Row
from ...subjects import Component, Pipeline
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Map, Seq, Value, value_of
from ...subjects.scripts import Argument
from .arguments import REST, has_rest, keyword
from .contents import Ref
from .parts import OTHERS, Parts

_LIBRARIES: Final = ("diffusers", "transformers")


class Models(Parts):
    """What makes, changes and runs models."""

    def load(self, node: ast.Call, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """from_pretrained and from_single_file."""
        klass, library = class_of(name)
        if klass and self.meanings.kinds["settings"].match(klass):
            return self._settings(klass, library)
        where = keyword(arguments, "pretrained_model_name_or_path", "pretrained_model_link_or_path", "repo_id", position=0)
        repo = where.value if where else NOTHING_KNOWN
        local = self.models.get(_at(repo.text, keyword(arguments, "revision"))) if repo.text else None
        kind = "pipeline" if klass and self._is_pipeline(klass) else "model"
        if kind == "pipeline":
            klass = self._pipeline_class(klass or "", repo, local, arguments)
        number = self.record(node, name, "load", arguments)
        given = keyword(arguments, *row["dtype"])
        asked = NOTHING_KNOWN if given is None and has_rest(arguments) else self.named(given)
        packed = keyword(arguments, "quantization_config", "load_in_8bit", "load_in_4bit")
        flags = frozenset({"quantised"} if packed is not None and packed.value.single not in (None, False) else ())
        stored = asked.dtype is not None and asked.dtype.is_float and asked.dtype.bits == 8
        if not stored and any(isinstance(text, str) and self.meanings.kinds["packed"].search(text) for _, text in repo.ways):
            flags |= {"quantised"}
        flags |= {"single"} if row.get("single") else frozenset()
        if kind == "pipeline":
            dtype, fields = _asked_of_pipeline(asked, bool(row.get("single"))), self._given(klass, arguments, local)
        else:
            subfolder = keyword(arguments, "subfolder")
            component = _component(local, subfolder)
            listed = self.known.row("hub", repo.text or "") if repo.text and local is None and subfolder is None else {}
            if klass is not None and klass.startswith("Auto"):
                klass = component.klass if component else listed.get("class", klass)
            dtype, fields = self._asked_of_model(asked, library, component, listed, "quantised" in flags), {}
        made = self.make(
            kind,
            klass=klass,
            library=library,
            dtype=dtype,
            repo=repo,
            loader=number,
            fields=fields,
            given=frozenset(fields),
            flags=flags,
            loads=local,
        )
        self.resulted(number, made)
        return made

    def _settings(self, klass: str, library: str) -> Value:
        """What has no weights: processors and schedulers give numbers, of the rest nothing is asked."""
        gives = self.meanings.kinds["processors"].match(klass)
        kind = "processor" if gives else "scheduler" if klass.endswith("Scheduler") else ""
        return self.make(kind, klass=klass, library=library) if kind else NOTHING_KNOWN

    def construct(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value | None:
        """A class of a library that is called: a pipeline put together by hand, or a new model."""
        klass, library = class_of(name + ".")
        if klass is None or not library or not klass[:1].isupper():
            return None
        if self._is_pipeline(klass):
            number = self.record(node, name, "build", arguments)
            fields = self._given(klass, arguments, None)
            made = self.make("pipeline", klass=klass, library=library, loader=number, fields=fields, given=frozenset(fields))
        elif self.meanings.kinds["settings"].match(klass):
            return self._settings(klass, library)
        elif self.meanings.kinds["models"].match(klass):
            return self.build(node, name, klass, library, arguments)
        else:
            return None
        self.resulted(number, made)
        return made

    def build(self, node: ast.Call, name: str, klass: str | None, library: str, arguments: Sequence[Argument]) -> Value:
        """A new model, in torch's default dtype unless one is named."""
        number = self.record(node, name, "build", arguments)
        named = keyword(arguments, "dtype", "torch_dtype")
        dtype = NOTHING_KNOWN if named or has_rest(arguments) else self._inner_dtype(arguments) or self.default_dtype()
        if klass and self.meanings.kinds["settings"].match(klass):
            return self._settings(klass, library)
        kind = "pipeline" if klass and self._is_pipeline(klass) else "model"
        made = self.make(kind, klass=klass, library=library, dtype=dtype if kind == "model" else NOTHING_KNOWN, loader=number)
        self.resulted(number, made)
        return made

    def _inner_dtype(self, arguments: Sequence[Argument]) -> Value | None:
        """The dtype of the models that a new model is made of; None where it is made of none."""
        found = [ref for argument in arguments for ref in self._refs(argument.value) if self.thing(ref).kind == "model"]
        dtypes = [self.thing(ref).dtype for ref in found]
        return (dtypes[0] if all(dtype == dtypes[0] for dtype in dtypes) else NOTHING_KNOWN) if dtypes else None

    def _refs(self, value: Value) -> list[Ref]:
        inner = [item for _, content in value.ways if isinstance(content, Seq) for item in content.items]
        return [*self.things(value), *(ref for item in inner for ref in self.things(item))]

    def derive(self, node: ast.Call, name: str, row: Row, arguments: Sequence[Argument]) -> Value:
        """from_pipe: a pipeline of the parts of another, which are all cast."""
        klass, library = class_of(name)
        source = keyword(arguments, "pipeline", position=0)
        old = source.value.single if source else UNKNOWN
        number = self.record(node, name, "derive", arguments, old if isinstance(old, Ref) else None)
        given = keyword(arguments, *row["dtype"])
        asked = NOTHING_KNOWN if given is None and has_rest(arguments) else self.named(given)
        dtype = value_of((case, F32 if content is None else content) for case, content in asked.ways)
        fields: dict[str, Value] = {}
        if self.meanings.of_pipeline(klass).get("shares"):
            return self._derived_as_it_is(number, old, library, arguments)
        if isinstance(old, Ref) and self.thing(old).kind == "pipeline":
            fields = dict(self.thing(old).fields)
            self.recast(old, dtype, number)
        elif source:
            self.touched(source.value)
        fields |= self._given(klass, arguments, None)
        made = self.make("pipeline", klass=klass, library=library, dtype=dtype, loader=number, fields=fields, caster=number)
        self.resulted(number, made)
        return made

    def _derived_as_it_is(self, number: int, old: Any, library: str, arguments: Sequence[Argument]) -> Value:
        """AutoPipelineFor...from_pipe: another class around the same parts, none of which is cast."""
        is_pipeline = isinstance(old, Ref) and self.thing(old).kind == "pipeline"
        source = self.thing(old) if is_pipeline else None
        dtype = source.dtype if source else NOTHING_KNOWN
        fields = dict(source.fields) if source else {}
        fields |= self._given(None, arguments, None)
        made = self.make("pipeline", library=library, dtype=dtype, loader=number, fields=fields)
        self.resulted(number, made)
        return made

    def _given(self, klass: str | None, arguments: Sequence[Argument], local: Pipeline | None) -> dict[str, Value]:
        """The models among the arguments: parts of the pipeline that it does not load by itself."""
        names = self.known.row("pipelines", klass or "").get("components", {})
        found = {}
        for argument in arguments:
            is_model = any(self._is_model(content) for _, content in argument.value.ways)
            is_part = argument.name in names or (local and local.named(argument.name)) or self._role(argument.name) not in OTHERS
            if is_model or (is_part and argument.name not in ("", REST)):
                found[argument.name] = argument.value
        return found

    def _is_model(self, content: Any) -> bool:
        return isinstance(content, Ref) and self.thing(content).kind == "model"

    def _pipeline_class(self, klass: str, repo: Value, local: Pipeline | None, arguments: Sequence[Argument]) -> str | None:
        """The class that will be there: a general one takes what the repository names."""
        if keyword(arguments, "custom_pipeline"):
            return None
        row = self.meanings.of_pipeline(klass)
        if not row:
            return klass or None
        if any(keyword(arguments, name) for name in row.get("unless", ())):
            return None
        named: set[str | None] = {
            local.klass if local else self.known.row("hub", text).get("class") for _, text in repo.ways if isinstance(text, str)
        }
        found = named.pop() if len(named) == 1 else None
        return self._sister(found, row["task"]) if found and "task" in row else found

    def _sister(self, klass: str, task: str) -> str | None:
        """The pipeline of the same models for another task, None where there is none of that name."""
        made = klass if task in klass else klass.removesuffix("Pipeline") + task + "Pipeline"
        return made if self.known.row("pipelines", made) else None

    def _asked_of_model(self, asked: Value, library: str, component: Component | None, listed: Row, packed: bool) -> Value:
        """The dtype of a model that is loaded by itself. listed: what its id on the Hub stands for."""
        says = str(listed.get("declares", ""))
        declared = component.declared.dtype if component is not None and component.declared else BY_NAME.get(says, UNKNOWN)

        def one(content: Any) -> Any:
            if isinstance(content, DType):
                return content
            if content is None:
                if packed or not library:
                    return UNKNOWN
                if library == "diffusers" or self._old_transformers():
                    return F32
                return declared
            if isinstance(content, str) and content != "auto":
                return F32 if library == "diffusers" else (parse(content) or UNKNOWN)
            return F32 if content == "auto" and library == "diffusers" else declared if content == "auto" else UNKNOWN

        return value_of((case, one(content)) for case, content in asked.ways)


def class_of(name: str) -> tuple[str | None, str]:
    """Class and library of `diffusers.AutoencoderKL.from_pretrained`; no class where it is not a library's."""
    owner = name.rpartition(".")[0]
    root, dot, _ = owner.partition(".")
    last = owner.rpartition(".")[2]
    if not dot:
        return (last or None), ""
    return (last, root) if root in _LIBRARIES else (None, "")


def _asked_of_pipeline(asked: Value, single: bool) -> Value:
    """What a pipeline is asked for: a DType, a dict, None; a string is fp32, and so is a dict for a single file."""

    def one(content: Any) -> Any:
        if content is None:
            return F32 if single else None
        if isinstance(content, Map):
            return F32 if single else content
        if isinstance(content, str):
            return F32
        return content if isinstance(content, DType) else UNKNOWN

    return value_of((case, one(content)) for case, content in asked.ways)


def _at(name: str, revision: Argument | None) -> str:
    """A model's name with the revision that is asked for, as a target has it."""
    text = revision.value.text if revision is not None else None
    return f"{name}@{text}" if text else name


def _component(local: Pipeline | None, subfolder: Argument | None) -> Component | None:
    """The component of a scanned folder that a model is loaded from."""
    if local is None:
        return None
    name = subfolder.value.text if subfolder else None
    return local.named(name) if name else (local.components[0] if len(local.components) == 1 else None)
