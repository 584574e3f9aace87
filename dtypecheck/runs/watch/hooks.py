"""The one wrapper around every call of a module: it keeps the stack, notes what goes in and out, sees each exception leave."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import torch

from .names import Names
from .steps import Call, Thread

Inner = Callable[..., Any]
_MARK: Final = "_dtypecheck"
"""What our wrapper is known by."""


class Hooks:
    """Takes the place of torch.nn.Module.__call__, for all threads.

    Global forward hooks would do as well, but send every call of every module through torch's slow path, and make torch.compile
    trace them; a part that is compiled keeps its graphs here and is seen as one module.
    level: "component" looks at outermost calls only. listener: told of steps and of exceptions that leave the outermost call.
    """

    def __init__(self, names: Names, listener: Any, level: str) -> None:
        self.names = names
        self.listener = listener
        self.level = level
        self.thread = Thread()
        self.on = False
        self._inner: Inner | None = None

    def start(self) -> None:
        """Follow every call from now on."""
        self._inner = torch.nn.Module.__call__
        self.on = True
        torch.nn.Module.__call__ = self._wrapper(self._inner)

    def stop(self) -> None:
        """Leave torch as it was. Where somebody has put his own around ours, ours stays beneath it and does nothing."""
        self.on = False
        call = torch.nn.Module.__call__
        while (hooks := getattr(call, _MARK, None)) is not None and not hooks.on:
            call = torch.nn.Module.__call__ = hooks._inner

    def _wrapper(self, inner: Inner) -> Inner:
        thread, listener = self.thread, self.listener
        compiling, tracing = torch.compiler.is_compiling, torch._C._get_tracing_state
        transforming = torch._C._functorch.peek_interpreter_stack
        deep = self.level != "component"

        def followed(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
            if compiling() or thread.off or not self.on:
                return inner(module, *args, **kwargs)
            stack = thread.stack
            if stack and (not deep or tracing() is not None or transforming() is not None):
                return inner(module, *args, **kwargs)
            call = self._enter(module, args, kwargs)
            if call is None:
                return inner(module, *args, **kwargs)
            stack.append(call)
            try:
                if listener.healer is None:
                    result = inner(module, *args, **kwargs)
                else:
                    result = listener.healer.run(inner, module, args, kwargs, call)
            except BaseException as fault:
                stack.pop()
                listener.failed(thread, call, module, args, kwargs, fault)
                raise
            stack.pop()
            try:
                call.gave(result, thread.reduced)
                thread.calls.append(call)
                listener.ways.count(call, module)
                if not stack:
                    listener.ends(thread, call, result)
            except Exception as fault:  # noqa: BLE001 - whatever we stumble over, the user's program goes on
                listener.stumbled(thread, fault)
            if listener.after is not None and not stack and not thread.depth:
                listener.after(call.row.root.module())
            return result

        setattr(followed, _MARK, self)
        return followed

    def _enter(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The record of a call that begins, None where it cannot be followed."""
        thread, rows = self.thread, self.names.rows
        try:
            above = thread.stack[-1] if thread.stack else None
            row = rows.get(id(module))
            if row is None or row.module() is not module:
                row = self.names.row(module, above.row if above else None, None if above else sys._getframe(2))
            call = Call(row, above)
            if above is None and not self.listener.begins(thread, call, module, args, kwargs):
                return None
            call.given(args, kwargs, thread.reduced)
        except Exception as fault:  # noqa: BLE001 - whatever we stumble over, the user's program goes on
            self.listener.stumbled(thread, fault)
            return None
        return call
