"""Where rows go: lines of JSON or a Parquet table, written as they come to a file beside, which gets its name in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from ..request import WrongUse
from .rows import BadLine, CutOff, classes_of, read_line, stored_in, unmuted

PART: Final = ".part"
"""Behind the name of what is not whole."""
GROUP: Final = 2000
"""Rows of a Parquet table that are held before they are written."""


class Sink(Protocol):
    """Something that takes rows."""

    def take(self, line: bytes, row: Mapping[str, Any]) -> None:
        """One more row. errors: OSError."""

    def finish(self) -> None:
        """All were taken: the file gets its name. errors: OSError."""

    def abandon(self) -> None:
        """Not all were taken: what there is stays beside."""


def kind_of(path: Path) -> str:
    """What a name asks for: jsonl or parquet. errors: WrongUse for a name that means none of the two, or without pyarrow."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise WrongUse(f"-o {path}: rows are written to a .jsonl or a .parquet file")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise WrongUse(f"-o {path} needs pyarrow: pip install 'dtypecheck[parquet]'")
    return path.suffix[1:]


def sink_of(path: Path) -> Sink:
    """By the name of the file. errors: as `kind_of`; OSError."""
    return Lines(path) if kind_of(path) == "jsonl" else Parquet(path)


class Lines:
    """A file with a line of JSON a target."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + PART)
        self.file: BinaryIO = self.part.open("wb")

    def take(self, line: bytes, row: Mapping[str, Any]) -> None:
        """See Sink."""
        with named(self.part):
            self.file.write(line)

    def finish(self) -> None:
        """See Sink."""
        with named(self.part):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self.part.replace(self.path)

    def abandon(self) -> None:
        """See Sink."""
        with suppress(OSError):
            self.file.close()


class Parquet:
    """A table with a row a target; `report` holds the whole report as JSON."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self.arrow, self.path, self.part = pyarrow, path, path.with_name(path.name + PART)
        text, number, words = pyarrow.string(), pyarrow.int64(), pyarrow.list_(pyarrow.string())
        kinds = {"target": text, "outcome": text, "why": text, "verdict": text, "errors": number, "warnings": number}
        kinds |= {"notes": number, "classes": words, "dtypes": words, "rules": words, "bytes": number, "line": text}
        self.schema = pyarrow.schema(list(kinds.items()))
        self.writer: Any = pyarrow.parquet.ParquetWriter(self.part, self.schema, compression="zstd")
        self.held: list[dict[str, Any]] = []

    def take(self, line: bytes, row: Mapping[str, Any]) -> None:
        """See Sink."""
        report, counts = row["report"], row["counts"]
        found = unmuted(report) if report else []
        self.held.append(
            {key: _plain(row[key]) for key in ("target", "outcome", "why", "verdict")}
            | {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"]}
            | {"classes": list(classes_of(report)) if report else [], "dtypes": list(stored_in(report)) if report else []}
            | {
                "rules": sorted({finding["code"] for finding in found}),
                "bytes": report["seen"].get("bytes", 0) if report else None,
            }
            | {"line": line.decode().rstrip("\n")}
        )
        if len(self.held) >= GROUP:
            self._write()

    def finish(self) -> None:
        """See Sink."""
        self._write()
        with named(self.part):
            self.writer.close()
            self.part.replace(self.path)

    def abandon(self) -> None:
        """See Sink. A table that was not closed cannot be read."""
        with suppress(OSError):
            self.writer.close()

    def _write(self) -> None:
        if self.held:
            with named(self.part):
                self.writer.write_table(self.arrow.Table.from_pylist(self.held, schema=self.schema))
            self.held = []


def _plain(text: str | None) -> str | None:
    """A text that UTF-8 can write: a name of a file may hold bytes that are none, `line` has them as JSON writes them."""
    return text if text is None else text.encode("utf-8", "backslashreplace").decode()


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What cannot be written is told with its name."""
    try:
        yield
    except OSError as fault:
        raise OSError(fault.errno, fault.strerror or str(fault), str(path)) from None


def lines_in(path: Path) -> Iterator[tuple[int, bytes]]:
    """The rows of a file, with their number from 1. errors: WrongUse for a file that cannot be read; CutOff at its end."""
    try:
        if path.suffix == ".parquet":
            yield from _table(path)
            return
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                if not line.endswith(b"\n") and not _whole(line):
                    raise CutOff(f"{path}:{number}: the last line is cut off and left out: whoever wrote it was stopped")
                yield number, line if line.endswith(b"\n") else line + b"\n"
    except OSError as fault:
        raise WrongUse(f"{path}: {fault.strerror or fault}") from None


def _whole(line: bytes) -> bool:
    with suppress(BadLine):
        return bool(read_line(line))
    return False


def _table(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise WrongUse(f"{path} needs pyarrow: pip install 'dtypecheck[parquet]'") from None
    try:
        table = pyarrow.parquet.ParquetFile(path)
        if "line" not in table.schema_arrow.names:
            raise WrongUse(f"{path}: it is no table of dtypecheck fleet")
        number = 0
        for batch in table.iter_batches(GROUP, columns=["line"]):
            for text in batch.column(0).to_pylist():
                number += 1
                yield number, str(text).encode() + b"\n"
    except pyarrow.ArrowException as fault:
        raise WrongUse(f"{path}: {' '.join(str(fault).split())[:200]}") from None
