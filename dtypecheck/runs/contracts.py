"""What each operator of PyTorch demands of its tensors' dtypes on a device, and the words it refuses with.

A tensor without numbers passes where a real one would raise. The demands are rows of contracts.toml; code knows only their
kinds (contract_kinds.py). The answer for an operator depends on the dtypes of its tensors alone, as a rule, and is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ..knowledge import Knowledge, Row
from .contract_kinds import KINDS, Given
from .contract_words import Word

_ERRORS: Final[Mapping[str, type[Exception]]] = {
    fault.__name__: fault for fault in (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A call that the device refuses.

    message: what PyTorch prints; error: what it raises; operands: (role, tensor); confirmed: this was seen in a run on such a
    device; operator: people's word for it.
    """

    message: str
    error: type[Exception]
    operands: tuple[tuple[str, torch.Tensor], ...]
    confirmed: bool
    operator: str


@dataclass(frozen=True, slots=True)
class Check:
    """One demand of an operator; the first that is not met is the one PyTorch names."""

    kind: str
    row: Row
    says: str
    error: type[Exception]
    confirmed: bool
    operator: str
    roles: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """The demands of one overload, and the answers already given: by the dtypes of its tensors, whether all are met.

    places: name and position of its tensor arguments; pure: dtypes alone decide.
    """

    checks: tuple[Check, ...]
    names: tuple[str, ...]
    places: tuple[int, ...]
    pure: bool
    met: set[tuple[torch.dtype | None, ...]]


class Contracts:
    """The contracts of one device. device: a `kind` of devices.toml."""

    def __init__(self, known: Knowledge, device: str) -> None:
        self.device = device
        self._rows: dict[str, list[Row]] = {}
        for name, row in known.all("contracts"):
            if device in row["devices"]:
                for header in (name, *row.get("also", ())):
                    self._rows.setdefault(header, []).append(row)
        self._contracts: dict[Any, Contract | None] = {}

    def breach(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Breach | None:
        """What is wrong with this call, None if nothing is known to be. func: a torch._ops.OpOverload."""
        try:
            contract = self._contracts[func]
        except KeyError:
            contract = self._contracts[func] = self._contract(func)
        if contract is None:
            return None
        count = len(args)
        dtypes = tuple(getattr(args[place], "dtype", None) if place < count else None for place in contract.places)
        if dtypes in contract.met and contract.pure and not kwargs:
            return None
        given: Given = dict(zip(contract.names, args, strict=False)) | dict(kwargs)
        for check in contract.checks:
            found = KINDS[check.kind](check.row, given)
            if found is not None:
                return self._breach(check, given, found)
        contract.met.add(dtypes)
        return None

    def _contract(self, func: Any) -> Contract | None:
        if not isinstance(func, torch._ops.OpOverload):
            return None
        rows = [*self._rows.get(str(func), ()), *self._rows.get(str(func.overloadpacket), ())]
        checks = tuple(check for row in rows for check in _checks(row))
        if not checks:
            return None
        arguments = func._schema.arguments
        tensors = tuple(place for place, argument in enumerate(arguments) if "Tensor" in str(argument.type))
        return Contract(
            checks=checks,
            names=tuple(argument.name for argument in arguments),
            places=tensors,
            pure=not any(check.row.get("by_value", False) for check in checks),
            met=set(),
        )

    def _breach(self, check: Check, given: Given, more: Mapping[str, Any]) -> Breach:
        words = {name: Word(value.dtype, self.device) for name, value in given.items() if isinstance(value, torch.Tensor)}
        words |= {name: Word(value, self.device) if isinstance(value, torch.dtype) else value for name, value in more.items()}
        operands = tuple((role, given[name]) for name, role in check.roles if isinstance(given.get(name), torch.Tensor))
        return Breach(check.says.format(**words), check.error, operands, check.confirmed, check.operator)


def _checks(row: Row) -> Iterator[Check]:
    for check in row["checks"]:
        yield Check(
            kind=next(kind for kind in KINDS if kind in check),
            row=check,
            says=check["says"],
            error=_ERRORS[check.get("error", "RuntimeError")],
            confirmed=check.get("confirmed", row["confirmed"]),
            operator=row["operator"],
            roles=tuple(row.get("roles", {}).items()),
        )
