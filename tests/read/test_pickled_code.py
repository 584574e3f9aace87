"""Code in a pickle is named and never run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from typing import Any

import pytest

from dtypecheck.read.header import CONTRADICTS, NOT_UNDERSTOOD, WANTS_CODE

from .pickles import FORMS, columns, header_of, kinds, saved, torch, zipped


class Calls:
    """Pickles as a call of `what(*arguments)`."""

    def __init__(self, what: Any, *arguments: Any) -> None:
        self.what, self.arguments = what, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.what, self.arguments


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (__import__, "builtins.__import__"),
        (pickle.loads, "pickle.loads"),
    ],
)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_call_of_a_dangerous_function_is_told_and_not_done(what: Any, name: str, form: dict[str, Any]) -> None:
    header = header_of(saved({"a": torch.zeros(2), "b": Calls(what, "exit 1")}, **form))
    (problem,) = header.problems
    assert problem.kind == WANTS_CODE
    assert problem.where.at.removeprefix("_") == name
    assert f"{name}, known to be dangerous" in problem.detail
    assert columns(header) == {"a": ("float32", (2,))}


@pytest.mark.parametrize(
    "stream",
    [
        b"cos\nsystem\n(S'exit 1'\ntR.",
        b"(S'exit 1'\nios\nsystem\n.",
        b"(cos\nsystem\nS'exit 1'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R.",
        b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85\x81.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85}\x92.",
        b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93)R.",
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nNX\x01\x00\x00\x00x\x85NtR.",
        b"\x80\x02ccollections\ndefaultdict\ncos\nsystem\n\x85R.",
        b"\x80\x02cos\nsystem\n}b.",
        b"\x80\x02cos\nsystem\n(K\x01 this is cut off",
    ],
)
def test_every_way_to_a_dangerous_function_is_seen(stream: bytes) -> None:
    for header in (header_of(stream), header_of(zipped(stream))):
        problem = header.problems[0]
        assert problem.kind == WANTS_CODE
        assert "wants to call" in problem.detail or "}b" in repr(stream) or "cut off" in repr(stream)
        assert "os.system" in problem.detail
        assert "known to be dangerous" in problem.detail


@pytest.mark.parametrize(
    "look",
    [
        b"GGUF".ljust(9, b"\0") + b"0",
        b"MZ\x900",
        b'X\x05\0\0\0\0\0\0{"0',
        b"X\x00\x02\0\0" + b"ustar".rjust(257, b"\0").ljust(512, b"\0") + b"0",
    ],
)
def test_a_pickle_that_begins_like_another_format_is_still_run_through(look: bytes) -> None:
    for content in (look + b"cos\nsystem\n(S'exit 1'\ntR.", look + b"cos\nsystem\n(S'exit 1'\ntR\xff"):
        assert kinds(header_of(content))[0] == WANTS_CODE


def test_the_pickle_that_torch_reads_is_that_of_the_first_folder_in_any_case() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil/version", b"3")
        archive.writestr("good/data.pkl", b"N.")
        archive.writestr("evil/DATA.pkl", b"cos\nsystem\n)R.")
    header = header_of(buffer.getvalue())
    assert kinds(header) == [WANTS_CODE, CONTRADICTS]
    assert "good/data.pkl" in header.problems[1].detail


def test_code_in_the_pickles_before_the_object_is_seen() -> None:
    legacy = saved({"a": torch.zeros(2)}, _use_new_zipfile_serialization=False)
    bomb = b"\x80\x02cos\nsystem\nX\x01\x00\x00\x00x\x85R0"
    header = header_of(bomb + legacy[2:])
    assert [problem.kind for problem in header.problems] == [WANTS_CODE]
    assert columns(header) == {"a": ("float32", (2,))}


@pytest.mark.parametrize(
    "stream",
    [
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.some\ngadget\nN)NtR.",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.nn.modules.linear\nLinear\nN(ctorch.some\ngadget\ntNtR.",
        b"ctorch.nn.modules.linear\nLinear\n)\x81}X\x07\x00\x00\x00forwardctorch.some\ngadget\nsb)R.",
    ],
)
def test_a_function_of_torch_that_is_called_by_a_detour_is_seen(stream: bytes) -> None:
    assert kinds(header_of(zipped(b"\x80\x02" + stream))) == [WANTS_CODE]


def test_a_call_in_a_call_in_a_call_is_not_understood() -> None:
    wrap = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    assert kinds(header_of(zipped(b"\x80\x02" + wrap + b"(" + wrap + b"N(ctorch.some\ngadget\nN)NtNtR."))) == [NOT_UNDERSTOOD]


def test_an_unknown_class_is_told_as_unknown_once() -> None:
    stream = b"\x80\x02(" + b"cmylib.models\nNet\n)\x81" * 3 + b"l."
    (problem,) = header_of(zipped(stream)).problems
    assert problem.detail == "wants to call mylib.models.Net, unknown here"


def test_a_class_of_a_usual_package_that_is_only_named_is_no_alarm() -> None:
    assert header_of(zipped(b"\x80\x02cpytorch_lightning.callbacks.some\nCallback\n.")).problems == ()
    (problem,) = header_of(zipped(b"\x80\x02cmylib\nCallback\n.")).problems
    assert problem.detail == "wants to import mylib.Callback, unknown here"


def test_of_many_unknown_functions_ten_are_told_and_the_rest_counted() -> None:
    stream = b"\x80\x02(" + b"".join(b"clib\nf%d\n)R" % number for number in range(25)) + b"l."
    problems = header_of(zipped(stream)).problems
    assert len(problems) == 11
    assert problems[-1].detail == "and 15 more like these"


def test_a_name_with_control_characters_is_shown_as_escapes() -> None:
    stream = b"\x80\x04\x8c\x05a\x1b[2J\x8c\x01b\x93)R."
    (problem,) = header_of(zipped(stream)).problems
    assert "\x1b" not in problem.detail
