"""Where a module's dtype came from, as records and in words: how it was loaded or built, cast after that, given adapters."""

from __future__ import annotations

from dataclasses import dataclass

from ...dtypes import F32, DType


@dataclass(frozen=True, slots=True)
class Load:
    """How a module came to be. line: the user's, `serve.py:14`. loader: `AutoencoderKL.from_pretrained`, or its class if built.

    name: as which component of a pipeline that was loaded whole. said: what was written for a dtype: "torch.float16",
    "'float16'", "a table", "" for nothing. named: False where a table leaves this component out. asked: how the library reads
    that, None where it leaves the dtype to the files. keyword: the library's word for it. built: made without any weights.
    """

    line: str
    loader: str
    library: str = ""
    name: str = ""
    said: str = ""
    named: bool = True
    asked: DType | None = None
    keyword: str = "torch_dtype"
    variant: str = ""
    source: str = ""
    built: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """A cast of a module or of a part of it. how: `.half()`, `.to(torch.float16)`.

    part: the path of what was cast, below the module; "" for all of it. whole: it was cast with the whole pipeline.
    through: the library's function that did it, "" where the user's own line did. undid: what the class keeps in float32 and
    has lost by this, as its list says.
    """

    line: str
    how: str
    dtype: DType
    part: str = ""
    whole: bool = False
    through: str = ""
    undid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """Weights put into a module. how: `load_lora_weights`. dtype: theirs now. base: that of the layers they were put into."""

    line: str
    how: str
    kind: str = "LoRA"
    name: str = ""
    dtype: DType | None = None
    base: DType | None = None

    @property
    def differs(self) -> bool:
        """True where the adapter and the layers below it have different dtypes."""
        return self.dtype is not None and self.base is not None and self.dtype is not self.base


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a module, in the order of time. keeps: what its class keeps in float32, as its list says."""

    klass: str
    name: str = ""
    load: Load | None = None
    casts: tuple[Cast, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    keeps: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """What people call it: the component's name, else its class."""
        return self.name or (self.load.name if self.load else "") or f"the {self.klass}"

    def cause(self, now: DType) -> Load | Cast | Adapter | None:
        """What gave it the dtype that it has now: the last cast to it, an adapter of that dtype in other layers, the loader."""
        cast = next((it for it in reversed(self.casts) if it.dtype is now), None)
        if cast is not None:
            return cast
        adapter = next((it for it in reversed(self.adapters) if it.differs and it.dtype is now), None)
        if adapter is not None and not (self.load and self.load.asked is now and self.load.said):
            return adapter
        return self.load


def why(story: Story, now: DType, expected: DType | None = None) -> str:
    """Why a module has a dtype, in words; "" where that is the one expected, or where nobody saw."""
    if now is expected:
        return ""
    match story.cause(now):
        case Cast() as cast:
            return _cast(cast)
        case Adapter() as adapter:
            below = f", over {adapter.base} layers" if adapter.base else ""
            return f"given a {adapter.kind} in {adapter.dtype} at {adapter.line} ({adapter.how}){below}"
        case Load(built=True) as load:
            return f"built at {load.line} by {load.loader}(...)" + (", in fp32 as torch builds every module" * (now is F32))
        case Load() as load:
            return _load(load, now, story.keeps)
    return ""


def remedy(story: Story, now: DType, expected: DType) -> str:
    """What to write where to have it in the dtype expected, in words; "" where no line of the user's is known for it."""
    wanted = f"torch.{expected.torch}"
    match story.cause(now):
        case Cast(through="") as cast if cast.undid and story.load and not story.load.built:
            there = story.load.asked is cast.dtype
            return f"leave out {cast.how} at {cast.line}" + (
                "" if there else f" and {_pass(story, story.load, f'torch.{cast.dtype.torch}')}"
            )
        case Cast(through="") as cast:
            part = f"{story.called}.{cast.part}".strip(".")
            return f"cast {'the pipeline' if cast.whole else part} with .to({wanted}) instead of {cast.how} at {cast.line}"
        case Cast(through="from_pipe") as cast:
            word = story.load.keyword if story.load and story.load.library == "diffusers" else "torch_dtype"
            return f"pass {word}={wanted} to from_pipe at {cast.line}"
        case Adapter() as adapter:
            keep = ", or pass autocast_adapter_dtype=False" if "peft" in adapter.how.lower() else ""
            return f"cast {story.called} with .to({wanted}) after {adapter.how} at {adapter.line}{keep}"
        case Load(built=True) as load:
            return f"cast {story.called} with .to({wanted}) after it is built ({load.line})"
        case Load() as load if not (load.said and load.asked is expected):
            return _pass(story, load, wanted)
    return ""


def _cast(cast: Cast) -> str:
    undid = ", which undid the class's keep list" if cast.undid else ""
    if cast.undid and len(cast.undid) <= 3:
        undid += f" ({', '.join(cast.undid)})"
    if cast.through:
        return f"cast to {cast.dtype} by {cast.through}() at {cast.line}{undid}"
    what = f"cast in part ({cast.part})" if cast.part else "cast with the whole pipeline" if cast.whole else "cast"
    return f"{what} by {cast.how} at {cast.line}{undid}"


def _load(load: Load, now: DType, keeps: tuple[str, ...]) -> str:
    """How the loader came to this dtype."""
    base = f"loaded at {load.line}"
    if load.said == "a table" and not load.named:
        return f"{base} with a table of dtypes that does not name {load.name or 'it'}, so in {load.asked or F32}"
    if load.asked is not None and load.asked is not now:
        if keeps and now is F32:
            return f"{base} in {load.asked}, and its class keeps {', '.join(keeps[:3])} in fp32"
        return f"{base} in {load.asked}; nothing was seen to cast it after that"
    if load.said.startswith(("'", '"')) and load.library == "diffusers":
        return f"{base} with {load.keyword}={load.said}: a string is no dtype for diffusers, which takes fp32"
    if load.said and load.asked is not None:
        return f"{base} in {now}" if load.said == "a table" else f"{base} with {load.keyword}={load.said}"
    variant = f"with variant={load.variant!r} and " if load.variant else ""
    left = f", so in {now} as its files say" if load.library == "transformers" else ""
    return f"{base} {variant}without {load.keyword}{left}"


def _pass(story: Story, load: Load, wanted: str) -> str:
    """Which dtype to pass to the loader."""
    where = f"where {'the pipeline' if load.name else story.called} is loaded ({load.line})"
    if load.said == "a table":
        return (
            f'write "{load.name}": {wanted} into the table of dtypes {where}'
            if load.name
            else f"pass {load.keyword}={wanted} {where}"
        )
    instead = f" instead of {load.said}" if load.said and load.said != wanted else ""
    return f"pass {load.keyword}={wanted}{instead} {where}"
