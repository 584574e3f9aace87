"""What a watched run shows of its numbers: where they stopped being finite, how near the limit, what became of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..dtypes import DType

Fault = Literal["nan", "inf", "saturated", "underflow"]
Look = Literal["ok", "nan", "inf", "safety-checker", "uniform"]
Replayed = Literal["kernel", "precision", "not numeric", "kernel not excluded"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of a module as the ring buffer keeps it. absmax: the largest magnitude, None where it is not finite or unknown."""

    module: str
    dtype_in: DType | None = None
    dtype_out: DType | None = None
    absmax_in: float | None = None
    absmax_out: float | None = None
    finite_in: bool = True
    finite_out: bool = True


@dataclass(frozen=True, slots=True)
class Replay:
    """What `--confirm` found when it ran the module again on the inputs it had.

    verdict: "kernel" (finite in its own dtype with reference kernels), "precision" (finite only in float32), "not numeric" (in
    neither), "kernel not excluded" (some kernel could not be bypassed). absmax: the largest magnitude in float32. times: how many
    times the range of its dtype that needs. switch: what turns the faulty kernel off, or why nothing could be excluded.
    """

    verdict: Replayed
    absmax: float | None = None
    times: float | None = None
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Producer:
    """The first module whose inputs are finite and whose output is not, or stands at its dtype's limit, or is lost.

    module: its path, "" for the code between components, whose line is `glue`. step: the number of its component's call, from 1.
    kind: "nan", "inf", "saturated" (at the largest number of its dtype, finite and yet wrong), "underflow" (all zero, of inputs
    and weights that are not). absmax_in: the largest magnitude that went in. before: the calls before it, the last one last.
    carried: how many modules handed it on, carried_to: the last of them. killed_by: the module that made it finite again
    (nan_to_num, clamp), "" if none did. weights: its own parameters that are not finite, by name. times: in how many steps.
    reaches: "" or the component whose output it spoilt. operator: the one that did it, where operators were watched.
    autocast: its weights are wider, autocast took them to this dtype. before_module: the first module that was given it, where
    it came about in a module's own code between two others.
    """

    module: str
    step: int
    dtype: DType
    kind: Fault
    klass: str = ""
    absmax_in: float | None = None
    before: tuple[Frame, ...] = ()
    carried: int = 0
    carried_to: str = ""
    killed_by: str = ""
    glue: str = ""
    weights: tuple[str, ...] = ()
    times: int = 1
    reaches: str = ""
    operator: str = ""
    before_module: str = ""
    autocast: bool = False
    replay: Replay | None = None

    @property
    def component(self) -> str:
        """The component whose module it is, "" in the glue."""
        return self.module.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, or one tensor of them, on its way out.

    number, of: which one of how many, from 1. seen: "decode", "postprocess", "save". colour: "black", "white", "grey 128" for a
    uniform one. producer: the module path that spoilt it, "" unknown. path: the file it was saved to, "" unless seen at save.
    call: the number of the outermost call of the pipeline that made it.
    """

    verdict: Look
    number: int = 1
    of: int = 1
    seen: str = "decode"
    colour: str = ""
    producer: str = ""
    path: str = ""
    call: int = 1


@dataclass(frozen=True, slots=True)
class Departure:
    """How far a component's first call is from the same in float32. error: ‖x - y‖ / ‖y‖. module: the first to depart."""

    component: str
    dtype: DType
    error: float
    module: str = ""
    module_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Healing:
    """What `--heal` did so that the run could go on.

    what: "cast" (an input to the module's dtype) or "float32" (the module ran wide).
    cost: of all times together, in words: "12 casts, 3 MB", "ran 8 times in float32: 1.9 s for 0.6 s".
    permanent: what to do instead, in words.
    """

    module: str
    what: str
    dtype: DType
    to: DType
    times: int = 1
    cost: str = ""
    permanent: str = ""
