"""The rules, one file each, in folders by witness: reading (DT0), files (DT1), scripts (DT2), runs (DT3), numbers (DT4). All are pure."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from ..plugins import register

FOLDERS = ("reading", "files", "scripts", "runs", "numbers")


@cache
def load() -> None:
    """Import every rule of this package, which registers it, then those of plugins. errors: plugins.BadPlugin."""
    for folder in FOLDERS:
        for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]):
            importlib.import_module(f"{__name__}.{folder}.{module.name}")
    register()
