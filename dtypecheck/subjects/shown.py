"""What a run shows: the crash, the promotions and the dtypes that went through each module; rehearsed or watched, one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log2
from typing import Final, Literal
from weakref import ReferenceType, ref

from ..dtypes import DType
from . import Pipeline
from .numbers import Departure, Healing, Picture, Producer

Outcome = Literal["runs", "crashes", "unknown"]


@dataclass(frozen=True, slots=True)
class Operand:
    """One tensor of an operator. role: input, weight, bias, mask, query, key, value, source, destination.

    made: who brought it, as people say it: `text_encoder_2 (prompt_embeds)`, `unet.conv_in.weight`, `argument image`.
    component: the component among them, "" for a caller's argument or the glue. where: the line that made or cast it, "" if
    it is a parameter or comes out of a component.
    """

    role: str
    dtype: DType
    made: str = ""
    component: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a run stopped.

    module: its path, from the pipeline's component on; "" in the glue between components. stage: encode prompt, encode image,
    denoise, decode, call. message: what PyTorch prints on that device. glue: the library's line that called the component;
    script: the user's line. confirmed: False where the contract that was broken was never seen to hold in a run on that device.
    """

    module: str
    operator: str
    message: str
    operands: tuple[Operand, ...] = ()
    glue: str = ""
    script: str = ""
    stage: str = "call"
    confirmed: bool = True
    why: str = ""
    remedy: str = ""

    @property
    def component(self) -> str:
        """The component whose module it is, "" in the glue."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that ran and that nobody asked for, all its occurrences at one place together.

    kind: "promoted" (a half tensor met a wider one and the result is wide), "island" (a part that its class keeps in float32
    runs in half), "rotary" (a table of positions computed in half), "autocast" (a half VAE inside autocast), "mixed" (one module
    holds parameters in several dtypes), "lowered" (float32 weights computed in half), "scaler" (a GradScaler on half
    parameters), "optimizer" (an optimizer that steps half parameters; `to` is None and dtypes are theirs), "optimizer-nan" (and
    they are not finite any more).
    module: its path. operator: the first. dtypes: what went in. to: what came out. by: who brought the wide one.
    nbytes: how much more memory the results took together than in the narrower dtype. times: how often.
    downstream: how many modules after it then ran in the wide dtype. by_design: True for what a library does itself.
    """

    kind: str
    module: str
    operator: str = ""
    dtypes: tuple[DType, ...] = ()
    to: DType | None = None
    by: str = ""
    nbytes: int = 0
    times: int = 1
    downstream: int = 0
    by_design: bool = False
    _run: ReferenceType[Run] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def run(self) -> Run:
        """The run it happened in. errors: LookupError when nobody holds that any more."""
        run = self._run() if self._run else None
        if run is None:
            raise LookupError(f"the run of {self.module} is gone")
        return run


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """What went through one module over a whole run: floating dtypes of its first input and output.

    klass: its class. weights: the dtype of most of its own parameters. absmax: the largest magnitude of any output, None unless
    it was watched and finite.
    """

    module: str
    calls: int
    dtype_in: DType | None = None
    dtype_out: DType | None = None
    absmax: float | None = None
    klass: str = ""
    weights: DType | None = None

    @property
    def headroom_bits(self) -> float | None:
        """How many times the largest output could double before it leaves its dtype; None where that is unknown."""
        if self.absmax is None or self.dtype_out is None or not self.dtype_out.largest:
            return None
        return log2(self.dtype_out.largest / self.absmax) if self.absmax else None


@dataclass(frozen=True, slots=True)
class Tried:
    """One dtype plan that was rehearsed. dtypes: by component. weight_bytes: of all parameters under it.

    note: what a reader should know besides: "t4 emulates bf16". safe: no class documented bad in the dtype it gets.
    slow: the device only emulates one of the dtypes, or is slow in it.
    """

    dtypes: Mapping[str, DType]
    verdict: Outcome
    crash: Crash | None = None
    weight_bytes: int = 0
    note: str = ""
    safe: bool = True
    recommended: bool = False
    reason: str = ""
    slow: bool = False


OWN_CODE: Final = "whose code is never executed"
"""What `Run.substituted` says of a part whose class comes with the model: what stands in proves nothing about that class."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Run:
    """The testimony of a run. how: "rehearsed" or "watched". device: a name of rules/devices.toml.

    reason: why the verdict is unknown, or what stopped it that is no matter of dtype. component, module: where that was.
    weight_bytes: of the parameters, by component. substituted: what stood in for something the folder lacks, in words.
    remedies: usual requests (float16, bfloat16, float32 for all) that were rehearsed too, and what came out.
    called: how the call was made, in words: "2 steps at 64x64". written: files that a script wanted to write.
    Watched only: producers, pictures: what became of the numbers. departures: what `--confirm` measured on a finite run.
    healed: what `--heal` did. limits: what could not be seen, in words: "unet was compiled before the watch: it is seen as
    one module". steps: calls by component. variable: the script's name for the pipeline, "" unknown; only printed.
    code: the exit code of the script itself. ranks: of the processes that were merged into this run.
    """

    how: Literal["rehearsed", "watched"]
    verdict: Outcome
    device: str
    crash: Crash | None = None
    reason: str = ""
    component: str = ""
    events: tuple[Event, ...] = ()
    modules: tuple[ModuleRow, ...] = ()
    weight_bytes: Mapping[str, int] = field(default_factory=dict)
    substituted: tuple[str, ...] = ()
    remedies: tuple[Tried, ...] = ()
    pipeline: Pipeline | None = None
    script: str = ""
    written: tuple[str, ...] = ()
    module: str = ""
    called: str = ""
    producers: tuple[Producer, ...] = ()
    pictures: tuple[Picture, ...] = ()
    departures: tuple[Departure, ...] = ()
    healed: tuple[Healing, ...] = ()
    limits: tuple[str, ...] = ()
    steps: Mapping[str, int] = field(default_factory=dict)
    variable: str = ""
    code: int = 0
    ranks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for event in self.events:
            object.__setattr__(event, "_run", ref(self))

    @property
    def confirmed(self) -> bool:
        """False for a crash that follows from a contract nobody saw hold."""
        return self.crash is None or self.crash.confirmed

    @property
    def unasked(self) -> tuple[Event, ...]:
        """The events that no library brings about by design: all that a rule may speak of."""
        return tuple(event for event in self.events if not event.by_design)
