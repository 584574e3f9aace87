"""The loops of `loops` as machine code of this processor, where llvmlite is installed and there is enough to look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from ...dtypes import DType
from .loops import CASTS, TOP, Loop
from .patterns import Bits
from .written import WIDE, written

WORTH: Final = {True: 1 << 29, False: 1 << 32}
"""Bytes, by whether they are looked at closely, from which on loops save the twentieth of a second that it takes to have them.

Two cores look at a GB closely in a quarter of a second without them, in a tenth with them; at a quick look they save a sixtieth.
"""
_LONGEST: Final = WIDE * 0xFFFF
"""Bytes of a block that the counts of 16 bits hold."""


class Summed(Protocol):
    """A loop that can be run, by any thread."""

    def __call__(self, bits: Bits) -> tuple[int, ...]:
        """The largest magnitude of a block of one number at least, and the counts; nothing for one that is too long."""


@dataclass(slots=True)
class Machine:
    """The loops of one process. spent: what has been looked at without them, 1 for as much as would have been worth them.

    Whoever looks at little at a time, again and again, has them at last: never has it taken more than twice the time that it
    would have taken who had known. why: none can be had, "" where nothing is known against it.
    """

    spent: float = 0.0
    why: str = ""
    made: dict[tuple[DType, bool], Summed] = field(default_factory=dict)

    def loops(self, dtypes: Iterable[DType], full: bool, nbytes: int) -> dict[DType, Summed]:
        """A loop for each of the dtypes that has one, to look at so many bytes; none where that is not worth its while."""
        wanted = [(dtype, full) for dtype in dict.fromkeys(dtypes) if dtype in TOP]
        if not self.why and any(each not in self.made for each in wanted):
            self.spent += nbytes / WORTH[full]
            if self.spent >= 1:
                self._make(wanted)
        return {each[0]: self.made[each] for each in wanted if each in self.made}

    def _make(self, wanted: Iterable[tuple[DType, bool]]) -> None:
        if sys.platform != "linux":
            self.why = "it is tried on Linux alone"
            return
        try:
            for dtype, full in wanted:
                if (dtype, full) not in self.made:
                    self.made[dtype, full] = _compiled((CASTS if full else TOP)[dtype])
        except (ImportError, AttributeError, TypeError, OSError, RuntimeError) as fault:  # none there, too old, or none for this
            self.why = f"{type(fault).__name__}: {fault}"


MACHINE: Final = Machine()
"""That of this process; child processes have its loops as well."""


def _compiled(loop: Loop) -> Summed:
    """errors: ImportError, and what llvmlite raises where it is too old, or has nothing for this processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
    module = llvm.parse_assembly(written(loop))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    call = CFUNCTYPE(None, c_void_p, c_int64, c_void_p)(engine.get_function_address("loop"))
    return _Compiled(loop, call, engine)


class _Compiled:
    def __init__(self, loop: Loop, call: Callable[..., None], engine: Any) -> None:
        self.call = call
        self.engine = engine  # the code goes with it
        self.lanes = WIDE * 8 // loop.width
        self.room = c_int64 * (1 + len(loop.counts) + len(loop.small_counts))

    def __call__(self, bits: Bits) -> tuple[int, ...]:
        if bits.nbytes > _LONGEST:
            return ()
        vectors, rest = divmod(len(bits), self.lanes)
        found = self._of(bits, vectors) if vectors else None
        if not rest:
            return found or ()
        last = np.zeros(self.lanes, bits.dtype)  # zeros change no count, and no maximum
        last[:rest] = bits[-rest:]
        top, *counts = self._of(last, 1)
        if not found:
            return (top, *counts)
        return (max(top, found[0]), *(one + other for one, other in zip(counts, found[1:], strict=True)))

    def _of(self, bits: Bits, vectors: int) -> tuple[int, ...]:
        sums = self.room()
        self.call(bits.ctypes.data, vectors, sums)
        return tuple(sums)
