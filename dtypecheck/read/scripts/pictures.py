"""Pictures, arrays of numpy, and what turns them into tensors: in fp32, whatever dtype the model has that will get them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from ...dtypes import DType, parse
from ...knowledge import Row
from ...subjects.cases import NOTHING_KNOWN, UNKNOWN, Seq, Value, just, value_of
from ...subjects.scripts import Argument
from .arguments import keyword
from .contents import Dotted, Ref
from .runs import Runs

_GIVES_ITSELF: Final = ("convert", "resize", "crop", "copy", "rotate", "transpose", "thumbnail")
_KEEPS: Final = ("transpose", "reshape", "copy", "squeeze", "clip", "astype", "swapaxes", "round", "repeat", "flatten")


class Pictures(Runs):
    """What pictures become."""

    def of_picture(self, ref: Ref, name: str, arguments: Sequence[Argument]) -> Value:
        """A method of a picture, of an array, or `preprocess` of a pipeline's image processor."""
        thing = self.thing(ref)
        if thing.kind == "picture":
            return just(ref) if name in _GIVES_ITSELF else NOTHING_KNOWN
        if thing.kind == "array":
            if name == "astype":
                given = keyword(arguments, "dtype", position=0)
                dtype = value_of((case, _of_numpy(content)) for case, content in given.value.ways) if given else NOTHING_KNOWN
                return self.make("array", dtype=dtype, name=thing.name)
            return just(ref) if name in _KEEPS else NOTHING_KNOWN
        given = keyword(arguments, "image", "video", position=0)
        whole = given is not None and self._all_pictures(given.value)
        return self.make("tensor", dtype=self.default_dtype(), name=f"{thing.label}.preprocess(...)") if whole else NOTHING_KNOWN

    def _all_pictures(self, value: Value) -> bool:
        """True for a picture or a list of them: a tensor would keep its dtype."""
        content = value.single
        if isinstance(content, Seq):
            return bool(content.items) and all(map(self._all_pictures, content.items))
        return isinstance(content, Ref) and self.thing(content).kind == "picture"

    def to_array(self, node: ast.Call, name: str, arguments: Sequence[Argument]) -> Value:
        """numpy.array and its like: of a tensor they want its numbers, of anything else an array comes."""
        first = arguments[0].value if arguments else NOTHING_KNOWN
        inner = [item for _, content in first.ways if isinstance(content, Seq) for item in content.items]
        for ref in (*self.things(first), *(ref for item in inner for ref in self.things(item))):
            if self.thing(ref).kind == "tensor":
                self.record(node, name, "numpy", arguments, ref)
                return NOTHING_KNOWN
        given = keyword(arguments, "dtype", position=1)
        dtype = value_of((case, _of_numpy(content)) for case, content in given.value.ways) if given else NOTHING_KNOWN
        return self.make("array", dtype=dtype)

    def transforms(self, node: ast.Call, row: Row) -> Value:
        """A chain of transforms of torchvision that ends in fp32, where all links are known."""
        links = [link for argument in node.args for link in (argument.elts if isinstance(argument, ast.List) else [argument])]
        names = {ast.unparse(link.func).rpartition(".")[2] if isinstance(link, ast.Call) else "" for link in links}
        known = names <= {*row["keeps"], row["makes"]} and row["makes"] in names
        alone = not node.args and ast.unparse(node.func).rpartition(".")[2] == row["makes"]
        return self.make("transform") if known or alone else NOTHING_KNOWN


def _of_numpy(content: Any) -> Any:
    """The dtype that numpy.float32, or its name as text, is."""
    name = content.last if isinstance(content, Dotted) and content.root in ("numpy", "np") else content
    found = parse(name) if isinstance(name, str) else None
    return found if isinstance(found, DType) else UNKNOWN
