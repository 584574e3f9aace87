"""Weight files of a folder, put together as loaders do: base name, variant, shards and the index that names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..dtypes import DType, parse
from ..files import Entry, Files, inside
from ..findings import Where
from ..subjects import Config, Problem, WeightFile, WeightSet
from .header import EXTRA_SHARD, MISSING_SHARD, PATH_ESCAPE
from .shown import shown

_STEMS: Final = "diffusion_pytorch_model|pytorch_model|model|adapter_model|pytorch_lora_weights"
_FILE: Final = re.compile(
    rf"(?P<stem>{_STEMS})(?:\.(?P<variant>[^.]+?))?(?P<shard>-\d{{5}}-of-\d{{5}})?(?:\.(?P<late>[^.]+))?\.(?P<format>safetensors|bin)"
)
_INDEX: Final = re.compile(
    rf"(?P<stem>{_STEMS})(?:\.(?P<early>[^.]+))?\.(?P<format>safetensors|bin)"
    r"(?:\.(?P<middle>[^.]+))?\.index(?:\.(?P<late>[^.]+))?\.json"
)

_NO_MAP: Final = "the index names no shard: its weight_map is missing, or is no map of tensor names to file names"
_WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")

ReadWeights = Callable[[Entry], WeightFile]
ReadConfig = Callable[[Entry], Config | None]


@dataclass(slots=True)
class Folder:
    """What is found in one folder: the ways of loading it, the problems, and the names that were used up."""

    sets: list[WeightSet] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def weight_sets(path: str, entries: Mapping[str, Entry], weights: ReadWeights, config: ReadConfig) -> Folder:
    """The weight sets of the folder `path`, whose files are `entries` by bare name.

    source: diffusers 0.42 models/modeling_utils.py:1278-1340, transformers 5.23 modeling_utils.py:533-640 (file names).
    """
    found = Folder()
    for name, entry in entries.items():
        if (match := _INDEX.fullmatch(name)) and (content := config(entry)):
            _add_indexed(path, entries, match, content, weights, found)
        if match:
            found.used.add(name)
    orphans: dict[tuple[str, str, str | None], list[Entry]] = {}
    for name, entry in entries.items():
        if name in found.used or not (match := _FILE.fullmatch(name)):
            continue
        found.used.add(name)
        key = _kind(match)
        if match["shard"]:
            orphans.setdefault(key, []).append(entry)
        else:
            found.sets.append(WeightSet(*key, (weights(entry),)))
    for (form, stem, variant), left in orphans.items():
        _add_orphans(path, form, stem, variant, left, weights, found)
    return found


def _add_indexed(
    path: str, entries: Mapping[str, Entry], match: re.Match[str], content: Config, weights: ReadWeights, found: Folder
) -> None:
    where = Where(content.path)
    listed = content.data.get("weight_map")
    shards = sorted({shard for shard in listed.values() if isinstance(shard, str)}) if isinstance(listed, dict) else []
    if not shards:
        found.problems.append(
            Problem(
                MISSING_SHARD,
                where,
                _NO_MAP,
            )
        )
        return
    files: list[WeightFile] = []
    missing: list[str] = []
    for shard in shards:
        full = inside(path, shard)
        name = full[len(path) + 1 if path else 0 :] if full else ""
        if full is None or "/" in name:
            at = content.where("weight_map")
            found.problems.append(Problem(PATH_ESCAPE, at, f"it names {shown(shard)!r}, which is no file of this folder"))
        elif not name.endswith(_WEIGHTS):
            at = content.where("weight_map")
            found.problems.append(
                Problem(MISSING_SHARD, at, f"it names {shown(name)!r} as a shard, which is no weight file by its name")
            )
        elif name in entries:
            found.used.add(name)
            files.append(weights(entries[name]))
        else:
            missing.append(shard)
    if missing:
        some = ", ".join(map(shown, missing[:3])) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        detail = f"{len(missing)} of {len(shards)} shards that the index names are not there: {some}"
        found.problems.append(Problem(MISSING_SHARD, where, detail, Where(inside(path, missing[0]) or missing[0])))
    spelling = "unread" if match["early"] else "legacy" if match["middle"] else "usual"
    variant = match["early"] or match["middle"] or match["late"]
    chosen = WeightSet(
        match["format"], match["stem"], variant, tuple(files), content.path, spelling, _says(content), tuple(missing)
    )
    found.sets.append(chosen)
    found.problems += _disagreements(chosen, listed if isinstance(listed, dict) else {}, where, path)


def _says(content: Config) -> DType | None:
    metadata = content.data.get("metadata")
    said = metadata.get("dtype") if isinstance(metadata, dict) else None
    return parse(said) if isinstance(said, str) else None


def _disagreements(chosen: WeightSet, listed: Mapping[str, str], where: Where, path: str) -> list[Problem]:
    """Tensors that the index puts into a shard which does not hold them; one problem a shard."""
    problems = []
    for file in chosen.files:
        if file.tensors is None:
            continue
        name = file.path[len(path) + 1 if path else 0 :]
        there = set(file.tensors.keys)
        lost = sorted(key for key, shard in listed.items() if shard == name and key not in there)
        if lost:
            detail = f"the index puts {len(lost)} tensors into {name} that it does not hold, the first is {shown(lost[0])}"
            problems.append(Problem(MISSING_SHARD, Where(where.path, lost[0]), detail, Where(file.path)))
    return problems


def _add_orphans(
    path: str, form: str, stem: str, variant: str | None, left: list[Entry], weights: ReadWeights, found: Folder
) -> None:
    """Shards that no index names: extra ones beside a set that is complete, else shards that nothing can load."""
    indexed = next((s for s in found.sets if s.index and (s.format, s.stem, s.variant) == (form, stem, variant)), None)
    names = [entry.name.rsplit("/", 1)[-1] for entry in left]
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    if indexed and indexed.index:
        wasted = sum(entry.size for entry in left)
        detail = f"{_shards(left)} ({wasted:,} bytes) that the index does not name: {some}"
        found.problems.append(Problem(EXTRA_SHARD, Where(left[0].name), detail, Where(indexed.index)))
        return
    wanted = f"{stem}.{form}.index" + (f".{variant}" if variant else "") + ".json"
    detail = f"{_shards(left)} without an index: no loader finds them until there is a {wanted} ({some})"
    found.problems.append(Problem(MISSING_SHARD, Where(left[0].name), detail))
    found.sets.append(WeightSet(form, stem, variant, tuple(map(weights, left)), None, "unread"))


def shards_of(path: str, files: Files) -> tuple[Entry, ...]:
    """The shards in a folder that are of one set with the shard `path`: the same format, stem and variant, whatever number."""
    folder, _, name = path.rpartition("/")
    match = _FILE.fullmatch(name)
    if match is None:
        return ()
    found = []
    for entry in files.entries():
        inside_folder, _, other = entry.name.rpartition("/")
        like = _FILE.fullmatch(other) if inside_folder == folder else None
        if like and like["shard"] and _kind(like) == _kind(match):
            found.append(entry)
    return tuple(found)


def _kind(match: re.Match[str]) -> tuple[str, str, str | None]:
    return match["format"], match["stem"], match["variant"] or match["late"]


def _shards(left: list[Entry]) -> str:
    return f"{len(left)} shard" + "s" * (len(left) != 1)
