"""A script of the table runs as `python script.py` would run it, in a folder of its own, with us or without."""

from __future__ import annotations

import contextlib
import os
import runpy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dtypecheck.api import watch_script
from dtypecheck.knowledge import Knowledge
from dtypecheck.report import Report
from tests.runs.watch import tiny

from .table import Case


@dataclass(frozen=True)
class Played:
    """How a script ended without us. fails: its exception, "" for none. has: its global variables."""

    fails: str = ""
    has: dict[str, Any] = field(default_factory=dict)
    warned: tuple[str, ...] = ()


@contextlib.contextmanager
def stage(case: Case, models: Path, place: Path, known: Knowledge) -> Iterator[None]:
    """Go to an empty folder `place` where the tiny models lie that the script names; the same random numbers each time."""
    with contextlib.chdir(place), _quiet():
        for name in tiny.named(case.path):
            tiny.lay_out(models, name, known)
            if not (place / name).exists():
                (place / name).symlink_to(models / name, target_is_directory=True)
        torch.manual_seed(0)
        yield


def play(case: Case, arguments: tuple[str, ...]) -> Played:
    """Run it without us. An exception ends the script, not the test."""
    argv, sys.argv = sys.argv, [str(case.path), *arguments]
    fails, has = "", dict[str, Any]()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            has = runpy.run_path(str(case.path), run_name="__main__")
        except Exception as fault:  # noqa: BLE001 - whatever ends the script is what is asked for
            fails = f"{type(fault).__name__}: {fault}"
            has = _left_by(fault, case)
        finally:
            sys.argv = argv
    return Played(fails, has, tuple(str(warning.message) for warning in caught))


def watched(case: Case, arguments: tuple[str, ...]) -> Report:
    """Run it with us."""
    return watch_script(case.path, arguments)


def look(thing: Any) -> str:
    """What a tensor, an array or a picture holds, in a word."""
    import numpy as np
    from PIL.Image import Image

    if isinstance(thing, Image):
        array = np.asarray(thing)
        if array.min() != array.max():
            return "a picture"
        return {0: "black", 255: "white"}.get(int(array.max()), "uniform")
    numbers = torch.as_tensor(thing).detach().double()
    if numbers.isnan().any():
        return "nan"
    if numbers.isinf().any():
        return "inf"
    return "zero" if not numbers.any() else "finite"


def _left_by(fault: BaseException, case: Case) -> dict[str, Any]:
    """The global variables of a script that an exception ended."""
    step = fault.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(case.path):
            return dict(step.tb_frame.f_globals)
        step = step.tb_next
    return {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no chatter of libraries."""
    from diffusers.utils import logging
    from transformers.utils import logging as other

    levels = logging.get_verbosity(), other.get_verbosity()
    with open(os.devnull, "w") as sink, contextlib.redirect_stderr(sink), contextlib.redirect_stdout(sink):
        logging.set_verbosity_error()
        other.set_verbosity_error()
        try:
            yield
        finally:
            logging.set_verbosity(levels[0])
            other.set_verbosity(levels[1])
