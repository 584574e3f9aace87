"""What each operator of PyTorch demands of its tensors' dtypes on a device, and the words in which it refuses.

A tensor without numbers passes where a real one would raise. The demands are rows of contracts.toml; code knows their kinds
(contract_kinds.py) and terms (contract_terms.py). Which demands a call can still break is remembered by its dtypes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch

from ...knowledge import Knowledge, Row
from .kinds import KINDS, MET, Given, Words
from .terms import apply
from .words import Word

_ERRORS: Final[Mapping[str, type[Exception]]] = {
    fault.__name__: fault for fault in (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError)
}


_ANY: Final = "*"
"""The header of a row about every operator."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A call that the device refuses.

    message: what PyTorch prints; error: what it raises; operands: (role, tensor); confirmed: such a device was seen to refuse
    so; operator: people's word for it.
    """

    message: str
    error: type[Exception]
    operands: tuple[tuple[str, torch.Tensor], ...]
    confirmed: bool
    operator: str


@dataclass(frozen=True, slots=True)
class _Check:
    """One demand of an operator; of several that are broken PyTorch names the first."""

    test: Any
    row: Row
    says: str
    error: type[Exception]
    confirmed: bool
    operator: str
    roles: tuple[tuple[str, str], ...]

    def broken(self, given: Given) -> Words | None:
        found: Words | None = self.test(self.row, given)
        return found if found is None or found is MET or apply(self.row, given) else MET


@dataclass(frozen=True, slots=True)
class _Contract:
    """The demands of one overload. open: by the dtypes of a call, those demands that it could still break."""

    checks: tuple[_Check, ...]
    names: tuple[str, ...]
    places: tuple[int, ...]
    open: dict[tuple[Any, ...], tuple[_Check, ...]]


class Contracts:
    """The contracts of one device. device: a `kind` of devices.toml."""

    def __init__(self, known: Knowledge, device: str) -> None:
        self.device = device
        self._rows: dict[str, list[tuple[Row, str]]] = {}
        for name, row in known.all("contracts"):
            if device in row["devices"]:
                for words in row.get("kernels") or (name, *row.get("also", ())):
                    operator, _, kernel = words.partition(": ")
                    self._rows.setdefault(operator, []).append((row, kernel))
        self._contracts: dict[Any, _Contract | None] = {}

    def breach(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Breach | None:
        """What is wrong with this call, None if nothing is known to be. func: a torch._ops.OpOverload."""
        try:
            contract = self._contracts[func]
        except KeyError:
            contract = self._contracts[func] = self._contract(func)
        if contract is None:
            return None
        dtypes: tuple[Any, ...] = tuple([_dtypes(args[place]) for place in contract.places if place < len(args)])
        if kwargs:
            dtypes += (kwargs.get("dtype"),)
        checks = contract.open.get(dtypes)
        if checks == ():
            return None
        given: Given = dict(zip(contract.names, args, strict=False)) | dict(kwargs)
        if checks is None:
            checks = tuple(check for check in contract.checks if check.broken(given) is not None)
            contract.open[dtypes] = checks
        for check in checks:
            words = check.broken(given)
            if words is not None and words is not MET:
                return self._breach(check, given, words)
        return None

    def _contract(self, func: Any) -> _Contract | None:
        if not isinstance(func, torch._ops.OpOverload):
            return None
        packet = str(func.overloadpacket)
        headers = (str(func), packet, packet[:-1] if packet.endswith("_") else "", _ANY)
        rows = [row for header in headers for row in self._rows.get(header, ())]
        if not rows:
            return None
        arguments = func._schema.arguments
        names = tuple(argument.name for argument in arguments)
        places = tuple(place for place, argument in enumerate(arguments) if "Tensor" in str(argument.type))
        roles = tuple((names[place], "input") for place in places)
        operator = func.overloadpacket.__name__.strip("_")
        checks = (check for row, kernel in rows for check in self._checks(row, kernel, roles, operator))
        return _Contract(tuple(checks), names, places, {})

    def _checks(self, row: Row, kernel: str, roles: tuple[tuple[str, str], ...], operator: str) -> Iterator[_Check]:
        """The demands of a row. kernel: the name in the message of a row that is about several operators.

        roles and operator: for a row that does not name its own.
        """
        own = tuple(row["roles"].items()) if "roles" in row else roles
        for check in row["checks"]:
            yield _Check(
                test=KINDS[next(kind for kind in KINDS if kind in check)],
                row=check if "of" in check else {**check, "of": roles[0][0] if roles else "self"},
                says=check["says"].replace("{kernel}", kernel).replace("{operator}", operator),
                error=_ERRORS[check.get("error", "RuntimeError")],
                confirmed=self.device in check.get("confirmed", row["confirmed"]),
                operator=row.get("operator", operator),
                roles=own,
            )

    def _breach(self, check: _Check, given: Given, more: Words) -> Breach:
        device = "cuda" if self.device == "rocm" else self.device
        words = {name: Word(value.dtype, device) for name, value in given.items() if isinstance(value, torch.Tensor)}
        message = check.says.format(
            **words | {name: Word(value, device) if isinstance(value, torch.dtype) else value for name, value in more.items()}
        )
        operands = tuple((role, given[name]) for name, role in check.roles if isinstance(given.get(name), torch.Tensor))
        return Breach(message, check.error, operands, check.confirmed, check.operator.format(**_shape(given)))


def _dtypes(value: Any) -> Any:
    """What of an argument decides: its dtype, or those of a list of tensors."""
    if isinstance(value, torch.Tensor):
        return value.dtype
    if isinstance(value, (list, tuple)):
        return tuple([item.dtype if isinstance(item, torch.Tensor) else None for item in value])
    return None


def _shape(given: Given) -> Words:
    """What a row may put into the name of a convolution: how many sizes a picture has, and whether it goes backwards."""
    first = given.get("input")
    spatial = first.dim() - 2 if isinstance(first, torch.Tensor) else ""
    return {"spatial": spatial, "turned": "_transpose" if given.get("transposed") else ""}
