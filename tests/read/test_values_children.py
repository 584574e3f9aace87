"""Large files are looked at by child processes, where they lie: the counts are those of reading, and a child may die."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dtypecheck.api import scan
from dtypecheck.dtypes import BF16, F16, F32
from dtypecheck.files import Memory, OneFile
from dtypecheck.read.located import Place, locate
from dtypecheck.read.values import blocks, stream
from dtypecheck.read.values.children import MOST, by_children, can_fork
from dtypecheck.read.values.source import Shrunk, Source, open_source
from dtypecheck.subjects.values import Numbers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="child processes are used on Linux alone")


def noise(*shape: int, wide: float = 0.02) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)) * wide


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Files of any size are for children, whatever threads the test runner has. Gives whether children did each of them."""
    done: list[bool] = []

    def watched(*given: object) -> object:
        answers = by_children(*given)  # type: ignore[arg-type]
        done.append(answers is not None)
        return answers

    monkeypatch.setattr(stream, "LARGE", 0)
    monkeypatch.setattr(stream, "can_fork", lambda: True)
    monkeypatch.setattr(stream, "by_children", watched)
    return done


def told(numbers: Iterator[int]) -> bytes:
    return json.dumps(list(numbers)).encode()


# the processes


@pytest.mark.parametrize("amount", [1, 2, 100, MOST])
def test_each_number_goes_to_one_child(amount: int) -> None:
    answers = by_children(told, amount, 3)
    assert answers is not None
    assert len(answers) == 3
    assert sorted(number for answer in answers for number in json.loads(answer)) == list(range(amount))


def test_long_answers_come_whole() -> None:
    assert by_children(lambda numbers: b"x" * 1_000_000 if list(numbers) is not None else b"", 1, 2) == (b"x" * 1_000_000,) * 2


def started() -> set[int]:
    """The processes that this one started and has not waited for; another test may have left some that serve it still."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


@pytest.fixture
def before() -> set[int]:
    """The processes that there were before the test."""
    return started()


@pytest.mark.parametrize("how", ["raises", "exits", "is killed", "looks past the end"])
def test_a_child_that_fails_is_told_of_and_says_nothing(
    how: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], before: set[int]
) -> None:
    (tmp_path / "a").write_bytes(bytes(3 << 20))

    def work(numbers: Iterator[int]) -> bytes:
        if 0 not in numbers:
            return b"fine"
        match how:
            case "raises":
                raise ValueError(how)
            case "exits":
                sys.exit(0)
            case "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
        window = np.memmap(tmp_path / "a", np.uint8, "r")
        os.truncate(tmp_path / "a", 10)
        return bytes([int(window.max())])

    assert by_children(work, 1, 2) is None
    assert capfd.readouterr() == ("", "")
    assert started() == before


def test_children_are_ended_where_this_process_gives_up(monkeypatch: pytest.MonkeyPatch, before: set[int]) -> None:
    from dtypecheck.read.values import children

    def interrupted(answers: int) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(children, "_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        by_children(lambda numbers: bytes(threading.Event().wait(60)), 1, 2)
    assert started() == before


def test_signals_are_as_before_afterwards() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGINT)
    by_children(told, 1, 1)
    assert (signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGINT)) == before


def test_a_process_with_another_thread_is_not_copied() -> None:
    stop = threading.Event()
    other = threading.Thread(target=stop.wait, args=(60,))
    other.start()
    assert not can_fork()
    stop.set()
    other.join(60)


# the numbers


def numbers_of(path: Path, full: bool) -> list[Numbers]:
    files = OneFile(path)
    places = locate(files, next(iter(files.entries()))).places
    found = stream.count(places, lambda: open_source(files, path.name), full)
    return [tally.numbers(path.name, place) for tally, place in zip(found, places, strict=True)]


@pytest.mark.parametrize("name", ["a.safetensors", "a.bin"])
@pytest.mark.parametrize("full", [False, True])
def test_children_count_what_threads_count(
    tmp_path: Path, forked: list[bool], monkeypatch: pytest.MonkeyPatch, name: str, full: bool
) -> None:
    saved = {
        "large": noise(1100, 2003),
        "large half": noise(1201, 1503).half(),
        "was half": noise(701, 1503).half().float(),
        "bf16": noise(1201, 1503, wide=1e-4).bfloat16(),
        "half in bf16": noise(1301, 1503, wide=1e-4).half().bfloat16(),
        "turned": noise(700, 901).t(),
        "gaps": noise(901, 1200)[:, ::3],
        "double": noise(31, 7).double(),
        "special": torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), 70000.0, 1e-7, 1e-30, 0.0, -2e-5]),
        "byte": noise(77).to(torch.float8_e4m3fn),
        "none": torch.zeros(0),
    } | {f"small {i}": noise(i) for i in range(1, 20)}
    if name.endswith("safetensors"):
        save_file({key: tensor.contiguous() for key, tensor in saved.items()}, tmp_path / name)
    else:
        torch.save(saved, tmp_path / name)
    monkeypatch.setattr("dtypecheck.read.values.pieces.TASK", 3_000_000)
    monkeypatch.setattr(stream, "AT_ONCE", 2)
    counted = numbers_of(tmp_path / name, full)
    assert forked == [True]
    monkeypatch.setattr(stream, "can_fork", lambda: False)
    assert counted == numbers_of(tmp_path / name, full)
    assert forked == [True]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4096, 5001])
def test_numbers_at_odd_bytes_are_counted_where_they_lie(tmp_path: Path, forked: list[bool], start: int) -> None:
    held = torch.cat([noise(599_999), torch.tensor([1e-7])])
    (tmp_path / "a.bin").write_bytes(bytes(start) + held.numpy().tobytes() + held.half().numpy().tobytes() + b"end")
    places = [
        Place("a", F32, (600_000,), start, True, (1,), 2_400_000),
        Place("b", F16, (600_000,), start + 2_400_000, True, (1,), 1_200_000),
    ]
    found = stream.count(places, lambda: open_source(OneFile(tmp_path / "a.bin"), "a.bin"), full=True)
    assert forked == [True]
    assert [tally.absmax for tally in found] == [float(held.abs().max()), float(held.half().abs().max())]
    cast = held.half().float()
    assert found[0].casts[F16][3] == int((cast != held).sum())
    assert found[1].casts[BF16][3] == int((held.half().bfloat16().float() != held.half().float()).sum())


def test_a_window_holds_the_bytes_of_the_file_or_is_none(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(data)
    source = open_source(OneFile(tmp_path / "a"), "a")
    for start, nbytes in ((0, 1), (1, 4096), (4095, 2), (8192, 1 << 20), (1_000_001, 1_303_999)):
        window = source.window(start, nbytes)
        assert window is None or window.tobytes() == data[start : start + nbytes]
    assert source.window(0, len(data) + 1) is None
    assert source.window(len(data) + 8192, 1) is None
    source.close()


def test_numbers_that_are_in_no_file_are_not_for_children(forked: list[bool]) -> None:
    files = Memory({"a": noise(300_000).numpy().tobytes()})
    places = [Place("a", F32, (300_000,), 0, True, (1,), 1_200_000)]
    assert stream.count(places, lambda: open_source(files, "a"), full=False)[0].absmax > 0
    assert forked == []


def test_a_file_that_shrinks_while_children_look_at_it_is_a_finding(
    tmp_path: Path, forked: list[bool], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], before: set[int]
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({f"{i}.weight": noise(1000, 1000) for i in range(8)}, path)
    look = blocks.look

    def cutting(*given: object) -> None:
        os.truncate(path, 300_000)
        look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(blocks, "look", cutting)
    report = scan(path, values="quick")
    assert forked == [False]
    assert [(finding.code, finding.where.path) for finding in report.findings] == [("DT003", "a.safetensors")]
    assert "cut short while it was read: it ends before byte 300,000" in report.findings[0].message
    assert capfd.readouterr().err == ""
    assert started() == before


def test_what_is_wrong_with_a_file_is_found_by_reading(tmp_path: Path, forked: list[bool]) -> None:
    (tmp_path / "a").write_bytes(bytes(100))
    opened: list[Source] = []

    def once() -> Source:
        opened.append(open_source(OneFile(tmp_path / "a"), "a"))
        return opened[-1]

    with pytest.raises(Shrunk, match="byte 100"):
        stream.count([Place("a", F32, (50,), 0, True, (1,), 200)], once, full=True)
    assert forked == [False]
    assert all(source.file.closed for source in opened)  # type: ignore[attr-defined]
