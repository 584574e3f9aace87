"""The closest look: every operator inside a module, with the extremes of what went in and came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..world import name_of
from .reduced import floats
from .steps import Call, Thread

_OURS: Final = frozenset({torch.ops.aten.aminmax.default, torch.ops.aten.detach.default})
"""What the looking itself calls."""


class EachOperator(TorchDispatchMode):  # type: ignore[misc]
    """Follows operators while a component runs. failed: the exception that came out of one, and its name."""

    def __init__(self, thread: Thread) -> None:
        super().__init__()
        self.thread = thread
        self.failed: tuple[BaseException, str] | None = None
        self._views: dict[Any, bool] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        thread = self.thread
        if not thread.stack or thread.off or func in _OURS:
            return func(*args, **(kwargs or {}))
        above = thread.stack[-1]
        ins = [] if self._is_view(func) else floats(args, floats(list((kwargs or {}).values()), []))
        call = Call(above.row, above, name_of(func))
        call.ins = [thread.reduced.of(tensor) for tensor in ins]
        call.inputs = tuple(tensor.dtype for tensor in ins)
        try:
            result = func(*args, **(kwargs or {}))
        except Exception as fault:
            self.failed = fault, name_of(func)  # it goes on as it is
            raise
        if not self._is_view(func):
            call.gave(result, thread.reduced)
            if call.outs:
                thread.calls.append(call)
        return result

    def _is_view(self, func: Any) -> bool:
        found = self._views.get(func)
        if found is None:
            schema = getattr(func, "_schema", None)
            returns = schema.returns if schema is not None else ()
            found = any(it.alias_info is not None and not it.alias_info.is_write for it in returns)
            self._views[func] = found
        return found
