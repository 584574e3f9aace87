"""A fix plan as a JSON file: written to be read by people too, read back as data of a stranger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from .. import edits
from ..edits import Edit, touched
from ..files import SKIPPED_FOLDERS, inside
from ..fixplan import FixPlan, Refused, State, Step
from .notplan import no_plan
from .refusal import Refusal

VERSION: Final = 1
_KINDS: Final[Mapping[str, type]] = {kind.__name__: kind for kind in get_args(Edit)}
_LARGEST: Final = 256_000_000


def text_of(plan: FixPlan) -> str:
    """The plan as JSON text: the same plan gives the same bytes."""
    return json.dumps(document(plan), indent=2, ensure_ascii=False) + "\n"


def document(plan: FixPlan) -> dict[str, Any]:
    """The plan as plain dicts and lists."""
    steps = []
    for step in plan.steps:
        shown = {item.name: getattr(step, item.name) for item in fields(Step) if item.name != "edits"}
        made = [edit_document(edit) for edit in step.edits]
        steps.append({**shown, "costs": list(step.costs), "codes": list(step.codes), "edits": made})
    return {
        "fix_plan": VERSION,
        "target": plan.target,
        "asked": dict(plan.asked),
        "steps": steps,
        "refused": [{**asdict(item), "codes": list(item.codes), "offers": list(item.offers)} for item in plan.refused],
        "files": {path: {"bytes": state.size, "sha256": state.sha256} for path, state in sorted(plan.files.items())},
    }


def edit_document(edit: Edit) -> dict[str, Any]:
    """One edit: its kind, and its fields."""
    return {"kind": type(edit).__name__, **asdict(edit)}


def read_plan(path: Path) -> FixPlan:
    """The plan in a file. errors: Refusal that says what is wrong with it; OSError where it cannot be read."""
    if path.stat().st_size > _LARGEST:
        raise Refusal(f"{path}: {path.stat().st_size:,} bytes is no fix plan")
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as fault:
        raise Refusal(f"{path}: no fix plan, for it is no JSON: {fault}") from None
    if not isinstance(data, dict) or "fix_plan" not in data:
        raise no_plan(path, data)
    if type(data["fix_plan"]) is not int or data["fix_plan"] != VERSION:
        raise Refusal(f"{path}: a fix plan of version {data['fix_plan']!r}, this dtypecheck reads version {VERSION}")
    try:
        return _whole(plan_of(data))
    except (TypeError, ValueError, KeyError, AttributeError) as fault:
        text = str(fault) if isinstance(fault, Refusal) else f"{type(fault).__name__}: {fault}"
        raise Refusal(f"{path}: not a fix plan as dtypecheck writes it: {text}") from None


def _whole(plan: FixPlan) -> FixPlan:
    """errors: Refusal where a plan says less than one that is to be applied by somebody else has to."""
    if not plan.steps or not plan.target:
        raise Refusal("it has no step" if plan.target else "it names no target")
    if unread := [path for path, state in plan.files.items() if state.size >= 0 and not state.sha256]:
        raise Refusal(f"the sha256 of {unread[0]} is missing")
    return plan


def plan_of(data: Mapping[str, Any]) -> FixPlan:
    """The plan in plain dicts and lists, every path of it inside the target.

    errors: Refusal, TypeError, ValueError, KeyError or AttributeError where it is none.
    """
    steps = tuple(_step(item) for item in data["steps"])
    states = {_path(path): State(_of(int, item["bytes"]), _of(str, item["sha256"])) for path, item in data["files"].items()}
    if unknown := {path for step in steps for edit in step.edits for path in touched(edit)} - states.keys():
        raise Refusal(f"its list of files lacks {sorted(unknown)[0]!r}, which it would change")
    refused: tuple[Refused, ...] = tuple(_record(Refused, item) for item in data["refused"])
    asked = {_of(str, name): _of(str, value) for name, value in data["asked"].items()}
    return FixPlan(_of(str, data["target"]), steps, states, refused, asked)


def edit_of(item: Mapping[str, Any]) -> Edit:
    """One edit out of plain data. errors: as for `plan_of`."""
    rest = dict(item)
    kind = _KINDS.get(rest.pop("kind"))
    if kind is None:
        raise Refusal(f"no edit is called {item['kind']!r}")
    edit: Edit = _record(kind, rest)
    for path in touched(edit):
        _path(path)
    if isinstance(edit, edits.Bring) and not (edit.sha256 and Path(edit.origin).is_absolute() and "\0" not in edit.origin):
        raise Refusal(f"{edit.path} is brought from {edit.origin!r}, without an absolute path and a sha256")
    if isinstance(edit, edits.Rename) and "/" in edit.name:
        raise Refusal(f"{edit.name!r} is no bare file name")
    return edit


def _step(item: Mapping[str, Any]) -> Step:
    rest = dict(item)
    made = tuple(edit_of(edit) for edit in rest.pop("edits"))
    step: Step = _record(Step, {**rest, "edits": ()})
    return Step(**{**{field.name: getattr(step, field.name) for field in fields(Step)}, "edits": made})


def _record(kind: type, values: Mapping[str, Any]) -> Any:
    """A frozen record whose fields have the types that it says."""
    hints = get_type_hints(kind)
    if strange := values.keys() - hints.keys():
        raise Refusal(f"{kind.__name__} has no {sorted(strange)[0]!r}")
    return kind(**{name: _typed(hints[name], value) for name, value in values.items()})


def _typed(hint: Any, value: Any) -> Any:
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return tuple(_typed(inner, part) for part in _of(list, list(value) if isinstance(value, tuple) else value))
    if isinstance(hint, UnionType):
        return value
    if isinstance(hint, type) and hint not in (str, int, bool):
        return _record(hint, _of(dict, value))
    if hint is str:
        _of(str, value).encode()
    return _of(hint, value)


def _of(kind: Callable[..., Any], value: Any) -> Any:
    if type(value) is not kind:
        raise Refusal(f"{value!r} stands where a {getattr(kind, '__name__', kind)} should be")
    return value


def _path(path: Any) -> str:
    if not isinstance(path, str) or inside("", path) != path:
        raise Refusal(f"{path!r} is no file inside the target")
    if any(part in SKIPPED_FOLDERS for part in path.split("/")):
        raise Refusal(f"{path!r} is no file of a model")
    path.encode()
    return path
