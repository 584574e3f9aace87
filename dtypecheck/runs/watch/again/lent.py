"""Arguments in float32, lent in the caller's own lists and dicts: what a module puts into these is there afterwards."""

from __future__ import annotations

from typing import Any

import torch

from .nests import HALF, is_half, is_plain, mapped, widened


class Lent:
    """args, kwargs: to call a module with. narrow: the dtype of what is new in the caller's lists and dicts after `back`."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], narrow: torch.dtype | None) -> None:
        self._narrow = narrow
        self._made: dict[int, torch.Tensor] = {}
        self._wide: dict[int, torch.Tensor] = {}
        self._holders: dict[int, tuple[Any, dict[Any, Any], dict[Any, Any]]] = {}
        self.args = tuple(self._lend(value) for value in args)
        self.kwargs = {name: self._lend(value) for name, value in kwargs.items()}

    def back(self) -> None:
        """What was lent is the caller's own again; what is new is in the narrow dtype where that holds it."""
        for holder, before, lent in self._holders.values():
            for key, value in _items(holder):
                known = key in lent and value is lent[key]
                holder[key] = before[key] if known else mapped(value, self._own, objects=False)

    def _lend(self, value: Any) -> Any:
        if isinstance(value, (torch.Tensor, torch.dtype)):
            return self._float(value)
        if type(value) not in (list, dict):
            return mapped(value, self._float, objects=False) if not isinstance(value, tuple) else self._tuple(value)
        if id(value) not in self._holders:
            before = dict(_items(value))
            self._holders[id(value)] = value, before, {}
            for key, item in before.items():
                value[key] = self._lend(item)
            self._holders[id(value)] = value, before, dict(_items(value))
        return value

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = [self._lend(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)

    def _float(self, tensor: Any) -> Any:
        if not is_half(tensor):
            return widened(tensor)
        if id(tensor) not in self._made:
            made = tensor.float()
            self._made[id(tensor)] = made
            self._wide[id(made)] = tensor
        return self._made[id(tensor)]

    def _own(self, tensor: Any) -> Any:
        if id(tensor) in self._wide:
            return self._wide[id(tensor)]
        if self._narrow not in HALF or not is_plain(tensor) or tensor.dtype is not torch.float32:
            return tensor
        made = tensor.to(self._narrow)
        return made if bool(made.isfinite().all()) else tensor


def _items(holder: Any) -> list[tuple[Any, Any]]:
    """What is in a list or dict, and where."""
    return list(holder.items() if isinstance(holder, dict) else enumerate(holder))
