"""A small SQLite file of results. It is there to save time: whatever is wrong with it, the work is done without it."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

VERSION: Final = 1
_DAY: Final = 86_400
_UNUSED: Final = 60
"""Days after which what nobody asked for is dropped."""
_MOST: Final = 1 << 30
"""Bytes of the file above which only what was used in the last week stays."""
_ASKED: Final = 500
"""Keys in one question, below what the oldest SQLite takes."""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, state TEXT, used INTEGER, data BLOB) WITHOUT ROWID"


@dataclass(slots=True)
class Store:
    """Results by key, each with the state of the files it was found in. path: of the file, None for one that holds nothing."""

    path: Path | None
    _open: sqlite3.Connection | None = field(default=None, repr=False)

    def states(self, keys: Sequence[bytes]) -> dict[bytes, str]:
        """The states that results are kept for, by key."""
        return {bytes(key): str(state) for key, state in self._rows("key, state", keys)}

    def get(self, keys: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        """State and result by key, and a note that they are still in use."""
        found: dict[bytes, tuple[str, bytes]] = {}
        for key, state, data in self._rows("key, state, data", keys):
            with suppress(zlib.error, TypeError):
                found[bytes(key)] = str(state), zlib.decompress(data)
        today = int(time.time()) // _DAY
        self._write("UPDATE kept SET used = ? WHERE key = ? AND used <> ?", [(today, key, today) for key in found])
        return found

    def put(self, rows: Iterable[tuple[bytes, str, bytes]]) -> None:
        """Keep results: key, state, and what is to be given back."""
        today = int(time.time()) // _DAY
        packed = [(key, state, today, zlib.compress(data, 1)) for key, state, data in rows]
        self._write("INSERT OR REPLACE INTO kept (key, state, used, data) VALUES (?, ?, ?, ?)", packed, made=True)

    def close(self) -> None:
        """Drop what nobody uses, and let the file go."""
        if self._open is None:
            return
        today = int(time.time()) // _DAY
        large = self.path is not None and self.path.is_file() and self.path.stat().st_size > _MOST
        self._write("DELETE FROM kept WHERE used < ?", [(today - (7 if large else _UNUSED),)])
        with suppress(sqlite3.Error):
            self._open.close()
        self._open = None

    def _rows(self, columns: str, keys: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        found: list[tuple[bytes, ...]] = []
        connection = self._connection(made=False)
        for start in range(0, len(keys) if connection else 0, _ASKED):
            some = keys[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            try:
                assert connection is not None  # noqa: S101 - the loop is empty without it
                found += connection.execute(f"SELECT {columns} FROM kept WHERE key IN ({marks})", some).fetchall()
            except sqlite3.Error:
                self._give_up()
                return found
        return found

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]], made: bool = False) -> None:
        connection = self._connection(made) if rows else None
        if connection is None:
            return
        try:
            with connection:
                connection.executemany(statement, rows)
        except sqlite3.Error:  # locked for too long, or the disk is full
            self._give_up()

    def _connection(self, made: bool) -> sqlite3.Connection | None:
        """The open file. made: whether it is made where there is none."""
        if self._open is not None or self.path is None or not (made or self.path.is_file()):
            return self._open
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._open = _opened(self.path)
        except (OSError, sqlite3.Error):
            self.path = None
        return self._open

    def _give_up(self) -> None:
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.close()
        self._open, self.path = None, None


def _opened(path: Path) -> sqlite3.Connection:
    """The file with its table; one that is no such file, or of another version, begins anew. errors: sqlite3.Error, OSError."""
    try:
        connection = sqlite3.connect(path, timeout=5)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            return connection
        connection.close()
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):  # locked, or not to be opened: it may be good
            raise
    for beside in ("", "-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, state TEXT, used INTEGER, data BLOB) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()
    connection = sqlite3.connect(path, timeout=5)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection
