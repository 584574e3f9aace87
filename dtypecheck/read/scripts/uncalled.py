"""What nobody calls in a script: its functions and classes are read as if somebody else did, with unknowns."""

from __future__ import annotations

import re

from ...subjects.cases import Value
from .contents import Func, Klass, Ref
from .source import says
from .statements import Statements


class Uncalled(Statements):
    """The rest of a module, after its own statements."""

    def rest(self) -> None:
        """Every function and class of the module that nothing in it called, as if somebody else did."""
        defined = list(self.state.scopes[0].items())
        relevant = self._relevant(defined)
        for name, value in defined:
            content = value.single
            if name not in relevant:
                continue
            if isinstance(content, Func) and content.node not in self.called and content.node.name != "__getattr__":
                self.unknown(content)
            elif isinstance(content, Klass):
                self._rest_of(content)

    def _relevant(self, defined: list[tuple[str, Value]]) -> set[str]:
        """The functions and classes that say something about dtypes, or name an object or another one that does."""
        texts: dict[str, str] = {}
        found: set[str] = set()
        for name, value in defined:
            content = value.single
            if isinstance(content, (Func, Klass)):
                node = content.node
                self.begin(self.cells.get(node, 0))
                texts[name] = "".join(self.lines[node.lineno - 1 : node.end_lineno])
                if says(texts[name]):
                    found.add(name)
            elif any(isinstance(inner, Ref) for _, inner in value.ways):
                found.add(name)
        grown = True
        while grown and found and len(found) < len(defined):
            names = re.compile(r"\b(?:" + "|".join(map(re.escape, found)) + r")\b")
            more = {
                name
                for name, text in texts.items()
                if name not in found and any(word in text for word in found) and names.search(text)
            }
            grown = bool(more)
            found |= more
        return found

    def _rest_of(self, klass: Klass) -> None:
        mine = [number for number, other in self.klasses.items() if other.node is klass.node]
        if mine:
            ref = Ref(mine[-1])
        else:
            init = klass.methods.get("__init__")
            made = self.make("instance", name=klass.node.name, fields=dict(klass.values) if not klass.is_dataclass else {})
            ref = made.single
            self.klasses[ref.number] = klass
            if init is not None:
                self.unknown(Func(init, klass.depth, ref))
        if ref.number not in self.state.heap:
            return
        for name, node in klass.methods.items():
            if name != "__init__" and node not in self.called and (func := self.method_of_instance(ref, name)) is not None:
                self.unknown(func)
