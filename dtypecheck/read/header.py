"""What every weight reader gives: the tensors of a file as columns, its metadata, and what was wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..findings import Where
from ..subjects import Problem, Tensors

UNREADABLE: Final = "unreadable"
NOT_UNDERSTOOD: Final = "not-understood"
OTHER_FORMAT: Final = "other-format"
TRUNCATED: Final = "truncated"
CONTRADICTS: Final = "header-contradicts"
LFS_POINTER: Final = "lfs-pointer"
MISSING_SHARD: Final = "missing-shard"
EXTRA_SHARD: Final = "extra-shard"
BROKEN_JSON: Final = "broken-json"
WANTS_CODE: Final = "pickle-wants-code"
PATH_ESCAPE: Final = "path-escape"
WEIGHTS_MISSING: Final = "weights-missing"
INTERRUPTED_FIX: Final = "interrupted-fix"
UNUSED_IGNORE: Final = "unused-ignore"
NO_REASON: Final = "ignore-without-reason"
STALE_BASELINE: Final = "stale-baseline"
DEMAND: Final = "demand"

HEADER_LIMIT: Final = 100_000_000
"""Bytes of a safetensors header at most, as the format says."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of one weight file says. tensors: None when it could not be read; `problems` then says why."""

    format: str
    tensors: Tensors | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def refuse(format: str, kind: str, path: str, detail: str, at: str = "") -> Header:
    """A header that could not be read, for one reason."""
    return Header(format, problems=(Problem(kind, Where(path, at), detail),))
