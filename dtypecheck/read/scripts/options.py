"""argparse: an option is what the words after the script say, else its default; a required one that was not given is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...subjects.cases import NOTHING_KNOWN, Map, Seq, Value, just
from ...subjects.scripts import Argument
from .arguments import has_rest, keyword
from .contents import Dotted, Ref
from .training import Training


class Options(Training):
    """Parsers of the command line."""

    def of_parser(self, ref: Ref, name: str, arguments: Sequence[Argument]) -> Value:
        """A method of an ArgumentParser."""
        match name:
            case "add_argument":
                self._add(ref, arguments)
            case "add_argument_group" | "add_mutually_exclusive_group":
                return just(ref)
            case "set_defaults":
                for argument in arguments:
                    self.field(ref, argument.name, argument.value)
            case "parse_args" | "parse_known_args":
                # a list given in the code is the command line in place of the words after the script
                own = bool(arguments) and arguments[0].value.single is not None
                fields = dict.fromkeys(self.thing(ref).fields, NOTHING_KNOWN) if own else self._values(ref)
                made = self.make("namespace", fields=fields)
                return made if name == "parse_args" else just(Seq((made, NOTHING_KNOWN)))
        return NOTHING_KNOWN

    def _add(self, ref: Ref, arguments: Sequence[Argument]) -> None:
        names = [argument.value.text for argument in arguments if not argument.name]
        flags = [name for name in names if name]
        if not flags:
            return
        given = keyword(arguments, "dest")
        dest = given.value.text if given else None
        if dest is None:
            long = next((flag for flag in flags if flag.startswith("--")), flags[0])
            dest = long.lstrip("-").replace("-", "_")
        options = {argument.name: argument.value for argument in arguments if argument.name}
        if has_rest(arguments):
            options["default"] = NOTHING_KNOWN
        self.field(ref, dest, just(Map({**options, "flags": just(" ".join(flags))})))

    def _values(self, ref: Ref) -> dict[str, Value]:
        thing = self.thing(ref)
        return {dest: self._value(value) for dest, value in thing.fields.items()}

    def _value(self, value: Value) -> Value:
        option = value.single
        if not isinstance(option, Map):
            return value
        flags = (option.items["flags"].text or "").split()
        action = option.items["action"].text if "action" in option.items else "store"
        given = self._given_word(flags, action in ("store_true", "store_false"))
        if given is not None:
            return self._converted(given, action or "", option)
        if action in ("store_true", "store_false") and "default" not in option.items:
            return just(action == "store_false")
        if not flags[0].startswith("-") or ("required" in option.items and option.items["required"].single is not False):
            return NOTHING_KNOWN
        if action not in ("store", "store_true", "store_false", None):
            return NOTHING_KNOWN
        return option.items.get("default", just(None))

    def _given_word(self, flags: Sequence[str], switch: bool) -> str | None:
        """What stands on the command line for an option, None where it is not there."""
        words = list(self.arguments_given)
        for number, word in enumerate(words):
            name, equals, rest = word.partition("=")
            if name in flags and name.startswith("-"):
                if switch:
                    return ""
                if equals:
                    return rest
                return words[number + 1] if number + 1 < len(words) else ""
        return None

    def _converted(self, word: str, action: str, option: Map) -> Value:
        if action in ("store_true", "store_false"):
            return just(action == "store_true")
        kind = option.items["type"].single if "type" in option.items else None
        if "nargs" in option.items or action not in ("store", ""):
            return NOTHING_KNOWN
        if kind is None or kind == Dotted("str"):
            return just(word)
        if isinstance(kind, Dotted) and kind.name in ("int", "float"):
            try:
                number: Any = int(word) if kind.name == "int" else float(word)
            except ValueError:
                return NOTHING_KNOWN
            return just(number)
        return NOTHING_KNOWN

    @property
    def arguments_given(self) -> Sequence[str]:
        """The words after the script."""
        return self.words
