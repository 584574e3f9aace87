"""Everything that listens, put together: modules, calls of pipelines, the history of their parts, pictures, training."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from ...knowledge import Knowledge
from ...subjects import Request
from ...subjects.shown import Run
from ..script.changes import Changes, on_import
from ..script.trace import Script
from .calls import Calls
from .history import History
from .names import is_pipeline
from .pictures import Pictures
from .record import run_of
from .settings import Settings
from .training import Training
from .variables import variable_of
from .watcher import Watcher


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. level: "component", "module" or "op". eager: compiled parts run as they were written.

    heal: cast or widen what would crash or overflow, and go on. confirm: run producers again, to tell precision from kernels.
    """

    level: str = "module"
    eager: bool = False
    heal: bool = False
    confirm: bool = False


class Listening:
    """A watch that is on, or was. code: what the script ended with."""

    def __init__(self, watcher: Watcher, request: Request, script: Script | None = None) -> None:
        self.watcher = watcher
        self.request = request
        self.script = script
        self.code = 0
        self.history = History(script)
        self.training = Training(watcher.names.parameter, script)
        self.pictures = Pictures(call=lambda: max(watcher.thread.number, 1))

    @property
    def run(self) -> Run:
        """The record of the run so far."""
        return self._run(None)

    def of_call(self) -> Run:
        """The same, of producers, pictures and crash only those of the call that this thread made last."""
        return self._run(self.watcher.thread.number)

    def forget(self) -> None:
        """That call was judged: what was found in it is over."""
        self.watcher.forget()

    def _run(self, number: int | None) -> Run:
        broken = [*self.history.faults, *self.training.faults, *self.pictures.faults]
        for text in broken:
            self.watcher.limits.setdefault(f"a bug of ours: {text}")
        return run_of(
            self.watcher,
            self.request,
            script=self.script.given if self.script else "",
            code=self.code,
            number=number,
            pictures=tuple(it for it in self.pictures.seen() if number in (None, it.call)),
            events=self.training.events(),
        )


@contextlib.contextmanager
def listen(
    target: Any,
    options: Options,
    known: Knowledge,
    request: Request,
    script: Script | None = None,
    called: Callable[[Listening], None] | None = None,
    crashed: Callable[[BaseException, str], None] | None = None,
) -> Iterator[Listening]:
    """Listen to every module of this process meanwhile.

    target: a pipeline or a module to begin with, or None; those made later are found. called: told after each outermost call of
    a pipeline, or of a module where the target is one; crashed: of each exception that was explained, and how.
    errors: TypeError for a target that is neither.
    """
    if target is not None and not isinstance(target, torch.nn.Module) and not is_pipeline(target):
        raise TypeError(f"a pipeline or a module can be watched, no {type(target).__name__}")
    level = "module" if options.confirm and options.level == "component" else options.level  # it must know where it began
    settings = Settings(level, options.eager, crashed=crashed)
    if script is not None:
        settings.owns, settings.shown = script.owns, script.shown
        settings.tell = _say
    watcher = Watcher(known, settings, request)
    if options.confirm:
        from .confirm import Confirm

        watcher.keeper = watcher.finds.keeper = Confirm(watcher)
    if options.heal:
        from .heal import Heal

        watcher.healer = Heal(watcher)
    listening = Listening(watcher, request, script)
    only = None if target is None else ref(target)
    watcher.finds.apart = called is not None and target is not None

    def ended(thing: Any) -> None:
        if called is not None and (only is None or only() is thing):
            called(listening)

    with contextlib.ExitStack() as stack:
        changes = stack.enter_context(Changes())
        calls = Calls(watcher, changes, ended, ended if script is not None else None)
        stack.enter_context(on_import(calls.wanted()))
        if options.eager and hasattr(torch.compiler, "set_stance"):  # since torch 2.6
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if isinstance(target, torch.nn.Module):
            watcher.names.bare(target, variable_of(target, sys._getframe(1)))
            watcher.after = ended
        elif target is not None:
            watcher.names.pipeline(target, variable_of(target, sys._getframe(1)))
            calls.follow(type(target))
        del target  # it may go when its owner lets it go
        for register, act in (
            (register_optimizer_step_pre_hook, watcher.pauses),
            (register_optimizer_step_post_hook, watcher.goes_on),
        ):
            stack.callback(register(act).remove)
        for part in (listening.history, listening.training, listening.pictures):
            stack.enter_context(part)
        watcher.stories = listening.history.of
        watcher.decoded = listening.pictures.decoded
        watcher.finds.trained = lambda: bool(listening.training.steps)
        watcher.start()
        stack.callback(watcher.stop)
        yield listening


def _say(text: str) -> None:
    """A line among what a script prints."""
    print(f"dtypecheck: {text}", file=sys.stderr)  # noqa: T201 - a script's user is to know before it ends
