"""From what was typed to a Request: dtypes by component, the device, and the library versions that the plan is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Final

from .dtypes import F32, DType, nearest, parse
from .knowledge import Knowledge
from .subjects import Request

LIBRARIES: Final = ("diffusers", "transformers")
NEWEST: Final = {"diffusers": "0.42.1", "transformers": "5.23.0"}
"""The versions that the rows in rules/ were read from: what is assumed when nothing else tells."""
_LOCKS: Final = ("uv.lock", "poetry.lock", "pdm.lock", "requirements.txt", "requirements.lock", "requirements-dev.txt")


class WrongUse(ValueError):
    """A value that was typed and means nothing; the text names the nearest one that does."""


class NothingThere(ValueError):
    """A place in which there is nothing to look at."""


def make(
    dtype: str | None,
    variant: str | None,
    device: str | None,
    libraries: Iterable[str],
    known: Knowledge,
    folder: Path | None = None,
) -> Request:
    """A request out of the options of the command line. folder: where to look for a lock file.

    errors: WrongUse for an unknown dtype, device or library.
    """
    return Request(dtypes(dtype), variant, _device(device, known), versions(libraries, folder))


def dtypes(text: str | None) -> dict[str, DType]:
    """`float16,vae=float32` as {"": F16, "vae": F32}; without a bare dtype the rest is float32, as in diffusers."""
    found: dict[str, DType] = {}
    items = text.replace(" ", "").split(",") if text is not None else []
    if not all(items):
        raise WrongUse(f"{text!r} leaves a dtype out; write float16 or float16,vae=float32")
    for item in items:
        name, given, word = item.rpartition("=")
        dtype = parse(word)
        if dtype is None:
            near = nearest(word)
            raise WrongUse(f"no dtype is called {word!r}" + (f"; the nearest is {near}" if near else ""))
        if not dtype.is_wide:
            raise WrongUse(f"{dtype.short} is no dtype to load a pipeline in; float16, bfloat16 and float32 are")
        if given and not name:
            raise WrongUse(f"{item!r} names no component; write vae={word}")
        if name in found:
            raise WrongUse(f"two dtypes for {name or 'all'}: {found[name].short} and {dtype.short}")
        found[name] = dtype
    if found and "" not in found:
        found[""] = F32
    return found


def _device(name: str | None, known: Knowledge) -> str | None:
    if name is None:
        return None
    word = _plain(name)
    if word == "here":
        return _here()
    words: dict[str, str] = {}
    for header, row in known.all("devices"):
        words |= {_plain(alias): header for alias in (header, *row.get("aliases", ()))}
    if word in words:
        return words[word]
    near = get_close_matches(word, words, n=1, cutoff=0.3)
    raise WrongUse(f"no device is called {name!r}" + (f"; the nearest is {words[near[0]]}" if near else ""))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


def _here() -> str:
    """The device of this machine, without torch: a CUDA driver, Apple's chip, else the CPU."""
    driver = Path("/proc/driver/nvidia/gpus")
    if driver.is_dir() and any(driver.iterdir()):
        return "cuda"
    import platform

    return "mps" if (platform.system(), platform.machine()) == ("Darwin", "arm64") else "cpu"


def versions(given: Iterable[str], folder: Path | None = None) -> tuple[tuple[str, str, str], ...]:
    """For each library its version and who says so: asked for, installed, the lock file's name, or the newest known."""
    asked: dict[str, str] = {}
    for text in given:
        match = re.fullmatch(r"(diffusers|transformers)\s*(?:==|@|=)\s*([0-9][\w.]*)", text.strip())
        if not match:
            raise WrongUse(f"{text!r} is no library version; write transformers==4.57 or diffusers==0.35")
        asked.setdefault(match[1], match[2])
    return tuple((name, *_version(name, asked, folder)) for name in LIBRARIES)


def _version(name: str, asked: dict[str, str], folder: Path | None) -> tuple[str, str]:
    if name in asked:
        return asked[name], "asked for"
    try:
        return metadata.version(name), "installed"
    except metadata.PackageNotFoundError:
        pass
    for place in (folder, *folder.parents) if folder else ():
        for lock in _LOCKS:
            if (place / lock).is_file() and (found := _locked(place / lock, name)):
                return found, lock
    return NEWEST[name], "newest known"


def _locked(path: Path, name: str) -> str | None:
    """The version that a lock or requirements file pins a library to."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return None
    pinned = re.search(rf"^{name}\s*(?:\[[^\]]*\])?\s*==\s*([0-9](?:[\w.]*\w)?)", text, re.MULTILINE | re.IGNORECASE)
    table = re.search(rf'^name = "{name}"\nversion = "([0-9][\w.]*)"', text, re.MULTILINE)
    return next((match[1] for match in (pinned, table) if match), None)


def check_names(request: Request, names: Sequence[str]) -> None:
    """errors: WrongUse when the request names a component that none of the looked-at pipelines has."""
    for name in request.dtypes:
        if name and name not in names and names:
            near = get_close_matches(name, names, n=1, cutoff=0.4)
            listed = f"; the nearest is {near[0]}" if near else f"; there are {', '.join(dict.fromkeys(filter(None, names)))}"
            listed = listed if any(names) else ", this is a model of one part"
            raise WrongUse(f"no component is called {name!r}{listed}")
