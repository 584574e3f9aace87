"""What was typed behind `dtypecheck fix`, and the wish that it means."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from ... import checks
from ...dtypes import parse
from ...policy import codes
from ...request import WrongUse, dtypes
from .case import Wish
from .remedies import STRATEGIES


@dataclass(frozen=True, slots=True)
class Ask:
    """What `dtypecheck fix` is asked for, as it was typed. The words are those of its options. arguments: of a script.

    models: the folders that hub ids in a script stand for.
    """

    dtype: str | None = None
    variant: str | None = None
    device: str | None = None
    libraries: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    strategy: tuple[str, ...] = ()
    to: str | None = None
    components: tuple[str, ...] = ()
    as_variant: str | None = None
    max_shard_size: str | None = None
    swap: str | None = None
    clamp: bool = False
    lossy: bool = False
    rules_dirs: tuple[Path, ...] = field(default=())
    arguments: tuple[str, ...] = ()
    models: Mapping[str, Path] = field(default_factory=dict)


def wish_of(ask: Ask) -> Wish:
    """The wish that the words mean. errors: WrongUse for a word that means none; policy.UnknownRule for a rule."""
    to = _dtype(ask.to, "--to") if ask.to is not None else None
    words: list[str] = []
    for word in (part for text in ask.strategy for part in text.replace(",", " ").split()):
        if word in STRATEGIES:
            words.append(word)
        elif parse(word):
            words.append(_dtype(word, "--strategy"))
        else:
            near = get_close_matches(word, STRATEGIES, n=1, cutoff=0.4)
            text = f"; the nearest is {near[0]}" if near else f"; there are {', '.join(STRATEGIES)}"
            raise WrongUse(f"no strategy is called {word!r}{text}")
    if ask.components and to is None:
        raise WrongUse("--component says which part --to is for; give --to too")
    if ask.as_variant is not None and to is None:
        raise WrongUse("--as-variant names the files that --to writes; give --to too")
    if to is None and (ask.clamp or ask.max_shard_size is not None):
        raise WrongUse(f"{'--clamp' if ask.clamp else '--max-shard-size'} is about what --to writes; give --to too")
    if to is not None and (words or ask.select):
        raise WrongUse(f"{'--strategy' if words else '--select'} chooses among answers to findings; --to converts without one")
    if ask.swap and (ask.select or [word for word in words if word != "swap-vae"]):
        raise WrongUse("--swap puts a VAE in whatever is found; leave --select and --strategy out")
    if "swap-vae" in words and not ask.swap:
        raise WrongUse("--strategy swap-vae needs --swap FOLDER, or the name of a row in rules/swaps.toml")
    checks.load()
    wanted = codes(ask.select)
    parsed = dtypes(to)[""] if to else None
    return Wish(
        wanted,
        tuple(words),
        parsed,
        ask.components,
        ask.as_variant,
        _bytes(ask.max_shard_size),
        ask.clamp,
        ask.swap,
    )


def _dtype(word: str, option: str) -> str:
    """The short name of a dtype to store in. errors: WrongUse for any other word."""
    try:
        parsed = dtypes(word)
    except WrongUse as fault:
        raise WrongUse(f"{option}: {fault}") from None
    if set(parsed) != {""}:
        raise WrongUse(f"{option} takes one dtype, not {word!r}; --component says for which part")
    return parsed[""].short


def _bytes(text: str | None) -> int | None:
    """`5GB` as bytes, decimal units as the Hub counts them. errors: WrongUse for any other text."""
    if text is None:
        return None
    units = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30, "b": 1, "": 1}
    number = text.strip().lower().rstrip("kmgib ")
    unit = text.strip().lower().removeprefix(number).strip()
    try:
        size = int(float(number) * units[unit])
    except (KeyError, ValueError, OverflowError):
        raise WrongUse(f"--max-shard-size {text!r} is no size; write 5GB") from None
    if size < 1:
        raise WrongUse(f"--max-shard-size {text!r} leaves room for nothing")
    return size


def command(path: Path, ask: Ask) -> str:
    """What was typed, as a shell takes it, without what only shows."""
    words = ["dtypecheck", "fix", path.as_posix()]
    single = {"dtype": ask.dtype, "variant": ask.variant, "device": ask.device, "to": ask.to, "as-variant": ask.as_variant}
    single |= {"max-shard-size": ask.max_shard_size, "swap": ask.swap}
    several = {"lib": ask.libraries, "select": ask.select, "strategy": ask.strategy, "component": ask.components}
    several["model"] = tuple(f"{name}={place.as_posix()}" for name, place in ask.models.items())
    for name, value in single.items():
        words += [f"--{name}", value] if value else []
    for name, values in several.items():
        words += [word for value in values for word in (f"--{name}", value)]
    words += [f"--{name}" for name, on in (("clamp", ask.clamp), ("lossy", ask.lossy)) if on]
    words += ["--", *ask.arguments] if ask.arguments else []
    return shlex.join(words)
