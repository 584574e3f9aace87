"""The notation of model directories: ten lines of text, built in memory.

$ --dtype float16 --variant fp16                      what is asked for (the options of scan)
$ --interrupted "2 of 3 files are changed"            a fix that did not end, as its journal tells it
$ --policy 'forbid-pickles = true'                    what a gate demands
$ --stale "DT118 of vae/config.json is gone"          an entry of a baseline that matches nothing
vae/config.json: {"_class_name": "AutoencoderKL"}     a JSON file
vae/model.safetensors: a.weight F16 4x4; b F32 2      a weight file: key, dtype, shape (`-` for a scalar)
vae/model.safetensors: a.weight F16 4x4 = 1 65504 nan a tensor with these numbers, over and over (all others are zeros)
vae/model.safetensors: a.weight F16 4x4 | cut 8       the same, 8 bytes short (`| add 3`: 3 bytes too long)
vae/model.safetensors: lfs 1234                       a Git-LFS pointer
note.onnx: text "any JSON text"                       the text itself
vae/model.bin: calls os.system                        a torch file whose pickle calls that when it is loaded
vae/model.bin: unreadable Permission denied           a file that gives this error
serve.py: |                                           a text file: the lines that are indented below it
"""

from __future__ import annotations

import io
import json
import re
import shlex
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from textwrap import dedent

from ..dtypes import BY_NAME
from ..files import UNREADABLE, Memory
from .runs import Shown, is_about_a_run
from .weights import filled

_LINE = re.compile(r"(?P<path>[^\s:]+): ?(?P<body>.*)")
_TEXT = re.compile(r"\s*(?P<path>[^\s:]+): \|\s*")
_CHANGE = re.compile(r"(?P<tensors>.*?)\s*\|\s*(?P<verb>cut|add) (?P<bytes>\d+)")


@dataclass(frozen=True, slots=True)
class Example:
    """Files in memory, the options that stand behind `$`, and what a run showed."""

    files: Memory
    options: Mapping[str, list[str]] = field(default_factory=dict)
    shown: Shown | None = None


def safetensors(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str] | None = None
) -> tuple[bytes, int]:
    """Length and header of a safetensors file with these (key, dtype name, shape), and the size the whole file would have."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for key, dtype, shape in tensors:
        size = BY_NAME[dtype].nbytes(prod(shape))
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, 8 + len(text) + offset


def lay_out(text: str) -> Example:
    """An example out of its notation. errors: ValueError for a line that is none of the notation's."""
    options: dict[str, list[str]] = {}
    text, contents = _texts(text)
    sizes = {name: len(content) for name, content in contents.items()}
    lines = list(filter(None, map(str.strip, text.splitlines())))
    about_runs = [line for line in lines if is_about_a_run(line)]
    for line in lines:
        if line in about_runs:
            continue
        if line.startswith("$"):
            words = shlex.split(line[1:])
            for name, value in zip(words[::2], words[1::2], strict=True):
                options.setdefault(name.removeprefix("--"), []).append(value)
            continue
        if not (match := _LINE.fullmatch(line)):
            raise ValueError(f"not a line of an example: {line!r}")
        contents[match["path"]], sizes[match["path"]] = _body(match["body"])
    return Example(Memory(contents, "example", sizes), options, Shown.read(about_runs) if about_runs else None)


def _texts(text: str) -> tuple[str, dict[str, bytes]]:
    """An example without its text files, and those: `name: |` with the lines below it that are indented more."""
    rest: list[str] = []
    found: dict[str, list[str]] = {}
    name, margin = "", 0
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if name and (not line.strip() or indent > margin):
            found[name].append(line)
        elif match := _TEXT.fullmatch(line):
            name, margin = match["path"], indent
            found[name] = []
        else:
            name = ""
            rest.append(line)
    return "\n".join(rest), {name: dedent("\n".join(lines) + "\n").encode() for name, lines in found.items()}


def _body(body: str) -> tuple[bytes, int]:
    if body.startswith("{"):
        content = json.dumps(json.loads(body), indent=2).encode()
        return content, len(content)
    if body.startswith("text "):
        content = str(json.loads(body[5:])).encode()
        return content, len(content)
    if body.startswith("calls "):
        content = _calling(*body[6:].rsplit(".", 1))
        return content, len(content)
    if body.startswith("unreadable "):
        return body[11:].encode(), UNREADABLE
    if body.startswith("lfs "):
        content = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize {int(body[4:])}\n".encode()
        return content, len(content)
    change = _CHANGE.fullmatch(body)
    listed = []
    numbers = []
    for item in (change["tensors"] if change else body).split(";"):
        tensor, _, said = item.partition("=")
        key, dtype, shape = tensor.split()
        listed.append((key, dtype, () if shape == "-" else tuple(map(int, shape.split("x")))))
        numbers.append(said)
    content, size = safetensors(listed)
    if any(numbers):
        content += b"".join(
            filled(BY_NAME[dtype], prod(shape), said) for (_, dtype, shape), said in zip(listed, numbers, strict=True)
        )
    if change:
        size += int(change["bytes"]) * (1 if change["verb"] == "add" else -1)
        content = content[:size]
    return content, size


def _calling(module: str, name: str) -> bytes:
    """A file as torch.save writes it, whose pickle calls `module.name("")`."""
    stream = b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X\x00\x00\x00\x00\x85R."
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member, content in (("data.pkl", stream), ("version", b"3\n")):
            archive.writestr(zipfile.ZipInfo(f"archive/{member}"), content)
    return out.getvalue()
