"""Listens to all modules of this process, from `start` to `stop`, and can say at any time what it has seen."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch

from ...knowledge import Knowledge
from ...read.roles import role_of
from ...subjects import Request
from ...subjects.shown import Crash
from ..modules import came_from
from ..origins import Origin, tensors
from ..script.trace import trimmed
from ..words import first_line
from .attend import Healer, Keeper
from .blame import Stories, blamed, note
from .brought import brought
from .crash import Messages, Seen, crash_of
from .each_operator import EachOperator
from .facts import look
from .found import Finds, frame_of
from .hooks import Hooks
from .makers import Between, Following, Makers
from .names import Names, Root
from .producers import BEFORE, suspicious
from .settings import Settings
from .steps import Call, Thread, keep_largest, recomputed
from .variables import let_go
from .ways import Ways

DECODERS: Final = re.compile(r"$|.*decoder$")
"""Which parts of a VAE give a picture, when they are called from outside: all of it, or its decoder."""


class Watcher:
    """Everything one watch holds: the rows of the modules, the makers of tensors, what was found.

    after: called with the root whose outermost call has ended, if no pipeline made it; what it raises goes to the script.
    crash: the last one that was explained. limits: what could not be seen. calls: outermost calls of pipelines so far.
    """

    def __init__(self, known: Knowledge, settings: Settings | None = None, request: Request | None = None) -> None:
        self.known = known
        self.request = request or Request()
        self.settings = settings or Settings()
        self.names = Names()
        self.makers = Makers()
        self.hooks = Hooks(self.names, self, self.settings.level)
        self.thread: Thread = self.hooks.thread
        self.between = Following(Between(self.makers, self._inside), self.thread)
        self.operators = EachOperator(self.thread) if self.settings.level == "op" else None
        self.roles: dict[str, str] = {}
        self.seen = Seen(self.names, self.makers, self.roles, self.settings.owns, self.settings.shown)
        self.messages = Messages(known)
        self.finds = Finds(self.makers, self.settings.shown)
        self.crash: Crash | None = None
        self.crashed_in: Root | None = None
        self.limits: dict[str, None] = {}
        self.devices: dict[str, None] = {}
        self.after: Callable[[Any], None] | None = None
        self.decoded: Callable[[Any, str], None] | None = None
        self.healer: Healer | None = None
        self.keeper: Keeper | None = None
        self.stories: Stories = lambda module: None
        self.calls = 0
        self.alone = 0
        self.steps = 0
        self.ways = Ways()
        self.strange: dict[Root, tuple[str, str]] = {}

    # -- on and off

    def start(self) -> None:
        """Listen from now on."""
        self.hooks.start()
        self.between.start()

    def stop(self) -> None:
        """Leave torch as it was."""
        self.between.stop()
        self.hooks.stop()

    def _inside(self) -> bool:
        return bool(self.thread.stack) or self.thread.off

    # -- what the hooks tell

    def begins(self, thread: Thread, call: Call, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """The outermost call of a component begins. False: it cannot be followed."""
        root = call.row.root
        if torch._C._functorch.peek_interpreter_stack() is not None or torch.jit.is_tracing():
            return False
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            self._cannot(f"{root.name} was captured into a CUDA graph: what runs in it is not seen")
            return False
        call.again = recomputed()
        root.steps += not (call.again and root.steps)
        call.step = root.steps
        if not thread.depth and not (call.again and thread.number):
            self.alone -= 1
            thread.number = self.alone
            if self.finds.apart:
                thread.tainted.clear()
        if root.steps == 1:
            self._meet(root)
        thread.outer = (call, module, args, kwargs)
        thread.failed = None
        if root.main is not None and root.main.is_half and root not in self.strange:
            found = brought(call, args, kwargs, self.makers, self.settings.owns)
            self.strange.update({root: found} if found else {})
        let_go(sys._getframe(3))
        if self.keeper is not None:
            self.keeper.keep(call, module, args, kwargs)
        self.between.leave()
        if self.operators is not None:
            self.operators.__enter__()
        return True

    def stumbled(self, thread: Thread, fault: Exception) -> None:
        """Something of ours failed: it is told in the report, and the user's program goes on."""
        self.limits.setdefault(f"a bug of ours, some calls were not looked at: {first_line(fault)}")
        if not thread.stack:
            thread.calls.clear()
            thread.reduced.forget()
            self.between.back()

    def _meet(self, root: Root) -> None:
        module = root.module()
        self.roles[root.name] = role_of(self.known, root.name, type(module).__name__)
        compiled = hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
        if compiled and not self.settings.eager:
            self._cannot(f"{root.name} is compiled: it is seen as one module; --eager runs it as it was written")
        device = next((tensor.device.type for tensor in module.parameters()), None)
        if device:
            self.devices.setdefault(device)
        for other in self.names.roots:
            if other is root or (root.pipeline is not None and other.pipeline == root.pipeline and other.facts is None):
                self._look_over(other)

    def _cannot(self, text: str) -> None:
        """Something is not seen: said in the report, and at once."""
        if text not in self.limits:
            self.limits.setdefault(text)
            self.settings.tell(text)

    def _look_over(self, root: Root) -> None:
        """Take the facts of a root anew."""
        root.stale = False
        facts = look(root, self.known, self.request, self.stories(root.module()))
        if facts is not None:
            events = {(event.kind, event.module): event for event in (*(root.facts.events if root.facts else ()), *facts.events)}
            root.facts, root.main = replace(facts, events=tuple(events.values())), facts.main

    # -- what the calls of pipelines tell

    def opens(self, pipe: Any, variable: str) -> None:
        """A pipeline is called from outside."""
        self.calls += 1
        self.names.pipeline(pipe, variable)
        self.thread.number = self.calls
        if self.finds.apart:
            self.thread.tainted.clear()
        if not self.thread.stack:
            self.between.start()

    def closes(self) -> None:
        """It is done, well or not. What only outermost calls were looked at for is fetched now, once for the whole call."""
        if self.thread.calls and not self.thread.stack:
            self._step(self.thread, self.thread.calls[-1].row.root)

    def broke(self, fault: Exception) -> None:
        """An exception leaves a pipeline: what no module raised came up between its components."""
        if self.messages.about_dtypes(fault):
            self.explain(fault)

    def ends(self, thread: Thread, call: Call, result: Any) -> None:
        """The outermost call ended well."""
        root = call.row.root
        if root.stale:
            self._look_over(root)
        if self.crash is not None and root is self.crashed_in:
            self.limits.setdefault(f"{self.crash.module} crashed before, and the script went on: {self.crash.message}")
            self.crash = None
        made = Origin("component", root.name)
        for tensor in tensors(result):
            if type(tensor) is torch.Tensor and tensor.is_floating_point():
                self.makers.mark(tensor, made)
        if self.operators is not None:
            self.operators.__exit__(None, None, None)
        if self.settings.level != "component" or not thread.depth:
            self._step(thread, root)
        if self.keeper is not None:
            self.keeper.ended(call, thread.outer[1] if thread.outer else None)
        thread.outer = None
        self.between.back()
        if self.decoded is not None and self.roles.get(root.name) == "vae" and DECODERS.match(call.row.below):
            spoiler = self.finds.spoiler(thread.number)
            self.decoded(result, self.names.path(spoiler) if spoiler else "")

    def failed(
        self,
        thread: Thread,
        call: Call,
        module: torch.nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        fault: BaseException,
    ) -> None:
        """An exception leaves a module; at the outermost one it is explained."""
        if thread.failed is None or not came_from(fault, thread.fault):
            thread.failed = (call, module, args, kwargs)
        thread.fault = fault
        if thread.stack:
            return
        trimmed(fault)
        if self.operators is not None:
            self.operators.__exit__(None, None, None)
        self.between.back()
        self.seen.calls = thread.calls
        if isinstance(fault, Exception) and self.messages.about_dtypes(fault):
            self.explain(fault, thread.failed, thread.outer)
        self._step(thread, call.row.root, whole=False)
        if self.keeper is not None:
            self.keeper.ended(call, module if isinstance(fault, Exception) else None, whole=False)
        thread.failed = thread.outer = thread.fault = None

    def forget(self) -> None:
        """For a guard, which judges each call by itself: what was found in the last one of this thread is over."""
        self.finds.forget(self.thread.number)
        self.crash = None

    def pauses(self, *_: object) -> None:
        """An optimizer steps: none of its many small operators makes a tensor that goes into a component."""
        self.between.leave()

    def goes_on(self, *_: object) -> None:
        """It has."""
        self.between.back()

    def explain(
        self, fault: BaseException, failed: tuple[Any, ...] | None = None, outer: tuple[Any, ...] | None = None
    ) -> Crash | None:
        """Say what an exception about dtypes means, in a note on it; once for each."""
        if any(text.startswith("dtypecheck: ") for text in getattr(fault, "__notes__", ())):
            return self.crash
        crash = crash_of(fault, failed, outer, self.seen)
        self.crashed_in = failed[0].row.root if failed else None
        if self.operators is not None and self.operators.failed and self.operators.failed[0] is fault:
            crash = replace(crash, operator=self.operators.failed[1])
        self.crash = self.messages.completed(blamed(crash, self.crashed_in, self.names, self.stories), fault)
        text = note(self.crash, self.variable)
        fault.add_note(text)
        if self.settings.crashed:
            self.settings.crashed(fault, text)
        return self.crash

    @property
    def variable(self) -> str:
        """What the script calls what it runs: its pipeline, or its only module."""
        roots = [root for root in self.names.roots if root.steps]
        if len(roots) > 1 and not any(root.is_component for root in roots):
            return ""
        wanted = [self.crashed_in] if self.crash and self.crashed_in else [it.root for it in self.finds.found.values()] or roots
        return next((root.variable for root in wanted if root.variable), "")

    # -- what a step shows

    def _step(self, thread: Thread, root: Root, whole: bool = True) -> None:
        """Fetch the extremes, keep the largest by module, look closer where something is not finite."""
        calls, thread.calls = thread.calls, []
        try:
            values = thread.reduced.fetch()
        except RuntimeError as fault:
            thread.reduced.forget()
            self.limits.setdefault(f"{root.name}: its numbers could not be fetched ({first_line(fault)})")
            return
        self.steps += 1
        keep_largest(calls, values)
        if suspicious(values):
            self.finds.look(thread, root, calls, values, thread.number)
        elif whole:
            thread.tainted.discard(root.name)
        thread.tail = [(call.row, frame_of(call, values)) for call in calls[-BEFORE:] if call.row.leaf]
