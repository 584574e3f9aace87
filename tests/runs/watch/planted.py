"""An overflow planted where we choose, and who really made it: told by plain hooks, which share nothing with the watch."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from tests.runs.watch.families import Family, Subject, parts

KINDS: Final = ("weight", "channel", "bias", "near", "code")
"""All weights of a layer too large; those of one channel; weights and bias, each half of it; a layer that only comes near the
limit, so that the sum behind it overflows, wherever that is; arithmetic in a module's own code on its way out."""


class NothingThere(LookupError):
    """This cannot be planted here: the layer cannot be made to overflow, or nothing became of it."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The first bad number. modules: every name of the module that made it, ("",) outside of all. kind: nan or inf.

    step: which call of its component that was, from 1; None where it ran inside another component.
    """

    modules: tuple[str, ...]
    kind: str
    dtype: torch.dtype
    step: int | None


@dataclass(slots=True)
class Seen:
    """What one module gave back: how often it ran, its largest magnitude and that of its first call, and the dtype."""

    calls: int = 0
    absmax: float = 0.0
    dtype: torch.dtype | None = None
    leaf: bool = False


@dataclass(slots=True)
class Oracle:
    """Follows every call of every module and looks at all tensors that go in and come out, one by one."""

    names: Mapping[torch.nn.Module, tuple[str, ...]]
    lone: bool
    stack: list[tuple[str, ...]] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    truth: Truth | None = None
    steps: dict[str, int] = field(default_factory=dict)
    fault: Exception | None = None

    def before(self, names: tuple[str, ...], args: Any, kwargs: Mapping[str, Any]) -> None:
        if not self.stack:
            component = self._component(names)
            self.steps[component] = self.steps.get(component, 0) + 1
        given = [value for name, value in kwargs.items() if not (name.endswith("mask") and hides(value))]
        self._judge(self.stack[-1] if self.stack else ("",), (args, given))
        self.stack.append(names)

    def after(self, names: tuple[str, ...], made: Any, leaf: bool) -> None:
        while self.stack.pop() != names:  # what raised and was caught left its name here
            pass
        self._judge(names, made)
        row = self.seen.setdefault(names[0], Seen(leaf=leaf))
        row.calls += 1
        for tensor in tensors(made):
            row.dtype = row.dtype or tensor.dtype
            row.absmax = max(row.absmax, float(tensor.abs().max()))

    def _component(self, names: tuple[str, ...]) -> str:
        return "" if self.lone else names[0].partition(".")[0]

    def _judge(self, names: tuple[str, ...], value: Any) -> None:
        if self.truth is not None:
            return
        for tensor in tensors(value):
            if not bool(torch.isfinite(tensor).all()):
                kind = "nan" if bool(torch.isnan(tensor).any()) else "inf"
                component = self._component(names)
                own = not self.stack or self._component(self.stack[0]) == component
                self.truth = Truth(names, kind, tensor.dtype, self.steps.get(component, 1) if own else None)
                return


def hides(value: Any) -> bool:
    """A mask that is 0 or -inf."""
    return isinstance(value, torch.Tensor) and bool(((value == 0) | (value == -torch.inf)).all())


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every floating tensor in a value, whatever holds it."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.numel() and not value.is_meta:
            yield value.detach() if value.element_size() > 1 else value.detach().float()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors(one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from tensors(getattr(value, part.name))


def names_of(target: Any) -> dict[torch.nn.Module, tuple[str, ...]]:
    """Every module's names: several where components share one; a lone module is called by its class."""
    out: dict[torch.nn.Module, tuple[str, ...]] = {}
    for component, part in parts(target).items():
        for path, module in part.named_modules(remove_duplicate=False):
            name = f"{component}.{path}".strip(".") or type(module).__name__
            out[module] = (*out.get(module, ()), name)
    return out


def asked(subject: Subject) -> Oracle:
    """One call, followed. What the numbers make the code raise, it may raise."""
    oracle = Oracle(names_of(subject.target), isinstance(subject.target, torch.nn.Module))
    hooks = []
    for module, names in oracle.names.items():
        leaf = not any(True for _ in module.children())
        hooks += [
            module.register_forward_pre_hook(
                lambda _, args, kwargs, names=names: oracle.before(names, args, kwargs), with_kwargs=True, prepend=True
            ),
            module.register_forward_hook(lambda _m, _a, made, names=names, leaf=leaf: oracle.after(names, made, leaf)),
        ]
    try:
        oracle.fault = called(subject)
    finally:
        for hook in hooks:
            hook.remove()
    return oracle


def called(subject: Subject) -> Exception | None:
    """One call. gives: what it raised, since NaN may be refused somewhere behind."""
    try:
        subject.call()
    except Exception as fault:  # noqa: BLE001 - anything of the library's, whatever it makes of NaN
        return fault
    return None


@dataclass(frozen=True, slots=True)
class Plant:
    """One thing planted: reproducible from its family, dtype, kind and seed."""

    family: str
    dtype: torch.dtype
    kind: str
    seed: int
    wrap: bool = True

    def __str__(self) -> str:
        return f"{self.family}, {str(self.dtype).removeprefix('torch.')}, {self.kind}, seed {self.seed}"


def planted(plant: Plant, family: Family) -> tuple[Subject, str, Truth]:
    """The thing with its fault in it, the module that was chosen, and what is true of it.

    errors: NothingThere, and for the kinds that aim at one layer also when another module is the first.
    """
    chance = random.Random(f"{plant}")
    chosen = ""
    spoiler: Spoiler | None = None

    def prepare(subject: Subject) -> None:
        nonlocal chosen, spoiler
        healthy = asked(subject)
        if healthy.truth is not None or healthy.fault is not None:
            raise NothingThere(f"{plant}: {healthy.truth or healthy.fault} without us")
        chosen, spoiler = put(plant.kind, healthy, chance)

    subject = family.wrapped(plant.dtype, prepare)
    truth = asked(subject).truth
    if spoiler is not None:
        spoiler.count = 0
    if truth is None:
        raise NothingThere(f"{plant}: {chosen} gives finite numbers")
    if plant.kind != "near" and chosen not in truth.modules:
        raise NothingThere(f"{plant}: meant {chosen}, and {truth.modules[0]} comes first")
    return subject, chosen, truth


def put(kind: str, healthy: Oracle, chance: random.Random) -> tuple[str, Spoiler | None]:
    """Plant it in one module that ran. gives: its name, and what spoils its output where that is the kind."""
    modules = {names[0]: module for module, names in healthy.names.items()}
    ran = [name for name in healthy.seen if healthy.seen[name].dtype is not None]
    if kind == "code":
        name = chance.choice(ran)
        spoiler = Spoiler(modules[name].forward, chance.randrange(healthy.seen[name].calls), chance)
        modules[name].forward = spoiler
        return name, spoiler
    able = [name for name in ran if healthy.seen[name].leaf and scalable(modules[name]) and healthy.seen[name].absmax > 0]
    able = [name for name in able if kind != "bias" or getattr(modules[name], "bias", None) is not None]
    if not able:
        raise NothingThere(f"no layer that {kind} could be planted in")
    name = chance.choice(able)
    enlarge(modules[name], healthy.seen[name], kind, chance)
    return name, None


def scalable(module: torch.nn.Module) -> bool:
    """It multiplies by its own weights; a table of embeddings only looks its numbers up."""
    weight = getattr(module, "weight", None)
    floats = isinstance(weight, torch.nn.Parameter) and weight.is_floating_point() and not weight.is_meta
    return floats and not isinstance(module, (torch.nn.Embedding, torch.nn.EmbeddingBag))


@torch.no_grad()
def enlarge(module: Any, seen: Seen, kind: str, chance: random.Random) -> None:
    """Make weights so large that the output leaves its dtype; the weights themselves stay finite."""
    limit = torch.finfo(seen.dtype).max if seen.dtype else 0.0
    times = limit / seen.absmax * {"weight": 50.0, "channel": 50.0, "bias": 0.7, "near": 0.9}[kind]
    weight = module.weight
    top = torch.finfo(weight.dtype).max
    wide = (weight.double() * times).clamp(-0.99 * top, 0.99 * top)
    if kind == "channel":
        row = chance.randrange(len(weight))
        wide = torch.cat([weight[:row].double(), wide[row : row + 1], weight[row + 1 :].double()])
    weight.copy_(wide.to(weight.dtype))
    if kind == "bias":
        module.bias.copy_((torch.sign(module.bias) * 0.7 * limit).clamp(-top, top).to(module.bias.dtype))


class Spoiler:
    """Stands for a module's forward and spoils one number of what it gives, from its call number `late` on.

    What came in stays as it was. count: calls so far.
    """

    def __init__(self, forward: Callable[..., Any], late: int, chance: random.Random) -> None:
        self.forward = forward
        self.late = late
        self.count = 0
        self.bad = chance.choice((_zero_by_zero, _root, _too_large))
        self.which = chance.random()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = self.forward(*args, **kwargs)
        self.count += 1
        found = list(tensors(made))
        if self.count <= self.late or not found:
            return made
        old = found[int(self.which * len(found))]
        new = old.clone(memory_format=torch.contiguous_format)
        self.bad(new.view(-1)[-1:])
        return with_other(made, old, new)


def with_other(value: Any, old: torch.Tensor, new: torch.Tensor) -> Any:
    """The same nest of values, with one tensor exchanged wherever it is."""
    if isinstance(value, torch.Tensor):
        same = value.data_ptr() == old.data_ptr() and value.shape == old.shape and value.dtype == old.dtype
        return new if same else value
    if isinstance(value, Mapping):
        changed = {key: with_other(one, old, new) for key, one in value.items()}
        return type(value)(**changed) if dataclasses.is_dataclass(value) else type(value)(changed)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(with_other(one, old, new) for one in value))
    if isinstance(value, (list, tuple)):
        return type(value)(with_other(one, old, new) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return dataclasses.replace(value, **{part.name: with_other(getattr(value, part.name), old, new) for part in fields})
    return value


def _zero_by_zero(one: torch.Tensor) -> None:
    one.mul_(0).div_(0)


def _root(one: torch.Tensor) -> None:
    one.fill_(-1).sqrt_()


def _too_large(one: torch.Tensor) -> None:
    one.fill_(torch.finfo(one.dtype).max).mul_(3)
