"""What a name of a script can hold besides constants, dtypes, dicts and lists: libraries, objects, functions, classes."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from ...subjects.cases import Value


@dataclass(frozen=True, slots=True)
class Ref:
    """An object: the number of a Thing in the state's heap."""

    number: int


@dataclass(frozen=True, slots=True)
class Dotted:
    """A name of a library that was imported, or that nobody defined: torch.randn, diffusers.FluxPipeline."""

    name: str

    @property
    def root(self) -> str:
        """The library's name."""
        return self.name.partition(".")[0]

    @property
    def last(self) -> str:
        """The name after the last dot."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Func:
    """A function of the script. depth: how many scopes it sees; bound: the object it is a method of."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    depth: int
    bound: Ref | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Klass:
    """A class of the script. values: what its body assigns; methods: its functions, those of its bases in the script included."""

    node: ast.ClassDef
    depth: int
    values: dict[str, Value] = field(default_factory=dict)
    methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)
    bases: tuple[Dotted, ...] = ()
    is_dataclass: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an object that is not the script's own: pipe.to."""

    owner: Ref
    name: str
