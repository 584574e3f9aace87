"""Processes are started as by a command, whatever other tests have made of this one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(autouse=True, scope="module")
def plain_main() -> Iterator[None]:
    """A main module that new processes need not import: a notebook's shell puts one in its place that they cannot."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
        yield
