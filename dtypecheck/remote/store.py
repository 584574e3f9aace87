"""Buckets and archives as files, by fsspec and its drivers."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..files import UNREADABLE, Entry, Source, inside
from ..request import WrongUse
from .faults import Unreachable, of_place
from .fetched import Fetched
from .targets import archive_of

_EXTRAS: Final = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "adl": "az"} | {
    "http": "http",
    "https": "http",
}
"""The extra of this package that installs a scheme's driver."""
_BLOCK: Final = 1 << 16
"""Bytes that are fetched at a time of an archive that lies elsewhere."""
_RAISED: Final = (
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("gcsfs.retry", "HttpError"),
    ("azure.core.exceptions", "AzureError"),
    ("aiohttp.client_exceptions", "ClientError"),
    ("zipfile", "BadZipFile"),
    ("tarfile", "TarError"),
    ("zlib", "error"),
    ("lzma", "LZMAError"),
)
"""What drivers raise besides OSError."""


@dataclass(slots=True)
class Store:
    """A folder, or a file, of a file system that fsspec knows. address: as it was typed, or the path of an archive."""

    address: str

    def files(self, label: str) -> Fetched:
        """It as files. errors: WrongUse without the driver or where nothing is there, NothingThere where it is not given."""
        try:
            system, root = self._opened()
            one = system.isfile(root)
            found = {root: system.info(root)} if one else system.find(root, detail=True)
        except ImportError as fault:
            raise WrongUse(self._install(fault)) from None
        except FileNotFoundError:
            raise WrongUse(f"{self.address}: there is no such file or folder") from None
        except _raised() as fault:
            raise of_place(Unreachable(f"{self.address}: {_said(fault)}", "refused")) from None
        if not found:
            raise WrongUse(f"{self.address}: there is no such file or folder, or nothing in it")
        at: dict[str, str] = {}
        listing: list[Entry] = []
        above = root.rstrip("/").rpartition("/")[0] if one else root.rstrip("/")
        for path, told in found.items():
            name = path.removeprefix(above).lstrip("/")
            if told.get("type") == "file":
                listing.append(_entry(name, told))
                at[name] = path

        def fetch(name: str, start: int, stop: int) -> bytes:
            try:
                data = bytes(system.cat_file(at[name], start=start, end=stop))
            except _raised() as fault:
                raise Unreachable(f"{self.address}: {name}: {_said(fault)}", "refused") from None
            if len(data) != stop - start:
                raise Unreachable(f"{self.address}: {name}: {len(data):,} of {stop - start:,} bytes came", "cut")
            return data

        kind = "archive" if archive_of(self.address) else "store"
        return Fetched(label, tuple(sorted(listing, key=lambda e: e.name.split("/"))), fetch, Source(self.address, kind))

    def _opened(self) -> tuple[Any, str]:
        """The file system, and what in it is meant. errors: ImportError, ValueError for a scheme that nobody knows, OSError."""
        try:
            import fsspec
        except ImportError:
            raise ImportError("fsspec") from None
        archive = archive_of(self.address)
        if not re.match(r"[\w+]+(?:://|::)", self.address):
            return fsspec.filesystem(archive, fo=str(Path(self.address))), ""
        chained = re.fullmatch(r"(zip|tar)::([^:]+://[^:]+(?::\d+/[^:]*)?)", self.address)
        if not chained and (not archive or "::" in self.address):
            system, root = fsspec.core.url_to_fs(self.address)
            return system, str(root)
        if (chained[1] if chained else archive) == "tar" and not self.address.lower().endswith(".tar"):
            raise ValueError("all of a compressed tar has to be fetched to look into it: download it and name its path")
        inner = fsspec.open(chained[2] if chained else self.address, "rb", block_size=_BLOCK)
        return fsspec.filesystem(chained[1] if chained else archive, fo=inner.open()), ""

    def _install(self, fault: ImportError) -> str:
        scheme = re.split(r"::|://", self.address)[-2] if "://" in self.address else ""
        extra = _EXTRAS.get(scheme.lower())
        install = f"pip install 'dtypecheck[{extra}]'" if extra else f"pip install fsspec, and what it asks for: {fault}"
        return f"{self.address} needs a driver: {install}"


def _entry(name: str, told: dict[str, Any]) -> Entry:
    size = told.get("size")
    if not name or inside("", name) != name:
        return Entry(name.replace("..", "_") or "?", UNREADABLE, "unlisted:a name that leads out of the folder")
    if not isinstance(size, int) or size < 0:
        return Entry(name, UNREADABLE, "unlisted:its size is not told")
    return Entry(name, size, f"{name}:{told.get('ETag') or ''}")


def _raised() -> tuple[type[Exception], ...]:
    """What reading raises: the exceptions of Python, and of those drivers that are loaded."""
    kinds = (getattr(sys.modules.get(module), name, None) for module, name in _RAISED)
    drivers = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Exception)]
    return (OSError, ValueError, RuntimeError, EOFError, *drivers)


def _said(fault: BaseException) -> str:
    """What a driver said, in one line."""
    text = " ".join((getattr(fault, "strerror", None) or str(fault) or type(fault).__name__).split())
    return text[:300]
