"""Which globals of a pickle are harmless, which are known to be dangerous, and which nobody here knows.

A name is judged as a whole (`module.name`) and nothing by its package alone: `torch.hub.load` lies beside `torch.Size`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .. import dtypes
from ..dtypes import DType
from .pickle_known import DANGEROUS, HARMLESS, INSIDE
from .pickle_values import Global, StorageType
from .shown import shown

_RENAMED: Final = {"__builtin__": "builtins", "copy_reg": "copyreg", "cPickle": "pickle", "commands": "subprocess"}
"""Modules of Python 2 that unpickling looks for under their new names."""

_STORAGES: Final[Mapping[str, DType | None]] = {
    "DoubleStorage": dtypes.F64, "FloatStorage": dtypes.F32, "HalfStorage": dtypes.F16, "BFloat16Storage": dtypes.BF16,
    "LongStorage": dtypes.I64, "IntStorage": dtypes.I32, "ShortStorage": dtypes.I16, "CharStorage": dtypes.I8,
    "ByteStorage": dtypes.U8, "BoolStorage": dtypes.BOOL, "ComplexFloatStorage": dtypes.C64,
    "ComplexDoubleStorage": dtypes.C128, "QInt8Storage": dtypes.I8, "QUInt8Storage": dtypes.U8,
    "QInt32Storage": dtypes.I32, "UntypedStorage": None, "_UntypedStorage": None,
}  # fmt: skip
_DTYPES: Final[Mapping[str, DType]] = {
    **{dtype.torch: dtype for dtype in dtypes.ALL if dtype.torch},
    **{f"uint{bits}": dtypes.U8 for bits in range(1, 8)},
    **{f"int{bits}": dtypes.I8 for bits in range(1, 8)},
    "qint8": dtypes.I8, "quint8": dtypes.U8, "qint32": dtypes.I32,
}  # fmt: skip

_HARMLESS: Final = frozenset(name for names in HARMLESS.values() for name in names.split())
_HARMLESS_CLASS: Final = re.compile(
    r"torch\.(cuda\.)?(Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool)Tensor"
    r"|torch\.(float|bfloat|complex|u?int|qu?int|bits)[0-9]+[a-z0-9_]*"
    r"|torch\.nn\.modules\.[a-z_]+\.[A-Z][A-Za-z0-9]+|torch\.optim\.([a-z_]+\.)?(Adam|AdamW|SGD|Adagrad|RMSprop|[A-Z][A-Za-z]+LR)"
    r"|numpy\.dtypes\.[A-Z][A-Za-z0-9]+DType"
)

_USUAL: Final = (
    "accelerate", "apex", "collections", "deepspeed", "diffusers", "lightning", "lightning_fabric", "numpy", "omegaconf", "peft",
    "pytorch_lightning", "torch", "torchmetrics", "transformers", "trl", "typing",
)  # fmt: skip
"""Packages whose classes a checkpoint may name."""
_REASONS: Final = {name: reason for reason, names in DANGEROUS.items() for name in names.split()}
_INSIDE: Final = frozenset(INSIDE.split())


def full_name(module: str, name: str) -> str:
    """The global as one dotted name, Python 2 modules under their new names."""
    return f"{_RENAMED.get(module, module)}.{name}"


def resolve(name: str) -> Global | StorageType | DType:
    """What a global stands for where that is a dtype or a class of storages, else the bare name."""
    module, _, last = name.rpartition(".")
    if module == "torch" and last in _DTYPES:
        return _DTYPES[last]
    if module in ("torch", "torch.cuda", "torch.storage") and last.endswith("Storage") and last != "TypedStorage":
        return StorageType(_STORAGES[last]) if last in _STORAGES else StorageType(None, last)
    return Global(name)


def is_harmless(name: str) -> bool:
    """True for the globals that a file of weights needs and that only make data."""
    return name in _HARMLESS or _HARMLESS_CLASS.fullmatch(name) is not None


def danger(name: str) -> str | None:
    """What a global is known to do that makes it dangerous, None if nothing such is known."""
    parts = name.split(".")[:32]
    above = (_REASONS.get(".".join(parts[:count])) for count in range(1, len(parts) + 1))
    return next(filter(None, above), None if _INSIDE.isdisjoint(parts) else "leads to any code")


def alarms(names: Mapping[str, bool]) -> list[tuple[str, str]]:
    """The globals that a file should not need, each with what to say of it, the dangerous ones first.

    names: by whether they are called. Unknown classes that are only named are no alarm where a usual package holds them.
    """
    dangerous, unknown = [], []
    for name, called in names.items():
        if is_harmless(name):
            continue
        wish = f"wants to {'call' if called else 'import'} {shown(name)}"
        if reason := danger(name):
            dangerous.append((name, f"{wish}, known to be dangerous: it {reason}"))
        elif called or name.partition(".")[0] not in _USUAL:
            unknown.append((name, f"{wish}, unknown here"))
    return dangerous + unknown
