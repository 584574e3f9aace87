"""Public reports of dtype faults, and look-alikes, as rows: what the script beside the table does and what must be said of it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ALIKE: Final = "lookalikes"


@dataclass(frozen=True, slots=True)
class Case:
    """One script, and what is known of it.

    script: its path below this folder. id, url: the public report, empty for a look-alike of our own. what: one sentence.
    arguments: the script's own. fails: how Python reports the exception that ends it, in part, "" if it ends well.
    shows: what a global variable of the script holds at its end: "image black", "latents nan".
    codes: findings that must be there. module: the path that one of them names, None where there is none to name.
    says: words that stand in these findings. also: codes of further errors that are as true.
    cure: arguments under which nothing of the kind happens, or none.
    worst: of a look-alike, the worst severity that may be said of it.
    """

    script: str
    what: str
    id: str = ""
    url: str = ""
    arguments: tuple[str, ...] = ()
    fails: str = ""
    shows: str = ""
    codes: tuple[str, ...] = ()
    module: str | None = None
    says: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    cure: tuple[str, ...] = ()
    worst: str = "note"

    @property
    def path(self) -> Path:
        """Where the script lies."""
        return HERE / self.script

    @property
    def name(self) -> str:
        """How tests call it: id, script and arguments."""
        return "-".join(filter(None, (self.id, self.script.removesuffix(".py"), *self.arguments)))


def table(folder: Path) -> list[Case]:
    """The rows of one folder."""
    rows = tomllib.loads((folder / "cases.toml").read_text())["case"]
    lists = ("arguments", "codes", "says", "also", "cure")
    made = ({**row, **{key: tuple(row[key]) for key in lists if key in row}} for row in rows)
    return [Case(**{**row, "script": f"{folder.name}/{row['script']}"}) for row in made]


TABLES: Final = tuple(sorted(file.parent for file in HERE.glob("*/cases.toml")))
CASES: Final = tuple(case for folder in TABLES if folder.name != ALIKE for case in table(folder))
ALIKES: Final = tuple(table(HERE / ALIKE))
