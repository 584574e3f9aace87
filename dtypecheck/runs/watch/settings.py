"""How closely a watch looks, and which files are the user's own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..origins import TYPED
from .variables import INSTALLED

_OURS: Final = __file__.replace("\\", "/").partition("/runs/watch/")[0] + "/"


def is_own(path: str) -> bool:
    """Whether a file is the user's: no installed library, none of ours."""
    typed = not path.startswith("<") or path.startswith(TYPED)
    return typed and not path.startswith(_OURS) and not any(part in path for part in INSTALLED)


@dataclass(slots=True)
class Settings:
    """How closely to look.

    level: "component", "module" or "op". eager: no part is compiled. owns, shown: which files are the user's own, their paths.
    tell: says at once what is not seen; a report says it again at its end.
    """

    level: str = "module"
    eager: bool = False
    owns: Callable[[str], bool] = is_own
    shown: Callable[[str], str] = str
    crashed: Callable[[BaseException, str], None] | None = None
    tell: Callable[[str], None] = logging.getLogger("dtypecheck").warning
