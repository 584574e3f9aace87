"""All engines are one: what comes back is in order and whole, whatever happens to the workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from dtypecheck.cache.store import Store
from dtypecheck.fleet.chosen import engine_of
from dtypecheck.fleet.drive import Plan, drive
from dtypecheck.fleet.engines import NAMES, Engine, Work
from dtypecheck.fleet.engines.window import AHEAD
from dtypecheck.fleet.rows import Batch, Fault, Job, Row, read_line

from .works import Once, deadly, echo, picky, process

JOBS = 2
LIBRARIES = {"dask": "distributed", "ray": "ray"}


NAMED = [pytest.param(name, marks=[pytest.mark.slow] * (name != "local")) for name in NAMES]
"""A cluster is started by hand alone: it has threads and processes of its own, which other tests would live beside."""


@pytest.fixture(scope="module", params=NAMED)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each of them, of this machine."""
    there(request.param)
    with closing(engine_of(request.param, JOBS, None, 100)) as made:
        yield made


def there(name: str) -> None:
    """A skip where the library of an engine is not installed. It is not imported: the engine says how that is done."""
    if find_spec(LIBRARIES.get(name, "sys")) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")


def batches(count: int, size: int = 1) -> list[Batch]:
    return [tuple(Job(f"{number}.{part}") for part in range(size)) for number in range(count)]


def rows_of(outcome: list[Row] | Fault) -> list[Row]:
    assert isinstance(outcome, list), outcome
    return outcome


def driven(engine: Engine, work: Work, targets: list[str]) -> list[Row]:
    return list(drive(targets, work, engine, Store(None), Plan(4, str.encode)))


@pytest.mark.parametrize("name", NAMED)
def test_closing_ends_the_processes(name: str) -> None:
    there(name)
    engine = engine_of(name, JOBS, None, 100)
    with closing(engine):
        pid = int(rows_of(engine.alone(process, (Job("who"),)))[0].state)
        assert alive(pid)
    for _ in range(250):  # it may need a moment to end
        if not alive(pid):
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


def test_rows_come_in_the_order_of_the_batches_and_none_twice(engine: Engine) -> None:
    given = batches(60, 3)
    assert [rows_of(outcome) for outcome in engine.run(echo, given)] == [echo(batch) for batch in given]


def test_the_work_is_done_by_several_processes_and_not_by_this_one(engine: Engine) -> None:
    seen = {rows_of(outcome)[0].state for outcome in engine.run(process, batches(60))}
    assert len(seen) == JOBS
    assert str(os.getpid()) not in seen


def test_no_batches_are_no_rows(engine: Engine) -> None:
    assert list(engine.run(echo, [])) == []


def test_what_work_raises_is_told_of_its_batch_and_the_others_go_on(engine: Engine) -> None:
    given = [(Job("one"),), (Job("bad"), Job("beside")), (Job("two"),)]
    assert list(engine.run(picky, given)) == [echo(given[0]), Fault("ValueError: no such thing"), echo(given[2])]


def test_batches_are_taken_a_few_at_a_time(engine: Engine) -> None:
    taken = 0

    def counted() -> Iterator[Batch]:
        nonlocal taken
        for batch in batches(200):
            taken += 1
            yield batch

    ahead = [taken - number for number, _ in enumerate(engine.run(echo, counted()), 1)]
    assert len(ahead) == 200
    assert JOBS <= max(ahead) <= AHEAD * JOBS


def test_a_batch_can_be_done_while_others_are_under_way(engine: Engine) -> None:
    run = engine.run(echo, iter(batches(40)))
    first = next(run)
    assert engine.alone(echo, (Job("alone"),)) == echo((Job("alone"),))
    assert [rows_of(first), *map(rows_of, run)] == [echo(batch) for batch in batches(40)]


def test_a_killed_worker_loses_nothing_and_nothing_comes_twice(engine: Engine, tmp_path: Path) -> None:
    targets = [f"t{number}" for number in range(120)]
    work = Once(tmp_path / "marker", "t41")
    assert driven(engine, work, targets) == driven(engine, echo, targets)
    assert work.marker.exists()


def test_a_target_that_kills_every_worker_is_told_and_the_rest_is_whole(engine: Engine) -> None:
    targets = [f"t{number}" for number in range(12)]
    found = driven(engine, deadly, [*targets[:6], "deadly", *targets[6:]])
    told = read_line(found[6].text or b"")
    assert (told["target"], told["outcome"]) == ("deadly", "failed")
    assert "killed" in told["why"]
    assert [row for row in found if row.target != "deadly"] == driven(engine, echo, targets)


def test_work_that_always_kills_is_a_fault_of_whoever_did_it(engine: Engine) -> None:
    fault = engine.alone(deadly, (Job("deadly"),))
    assert isinstance(fault, Fault)
    assert fault.killed
    assert rows_of(engine.alone(deadly, (Job("fine"),))) == echo((Job("fine"),))


def alive(pid: int) -> bool:
    """Whether a process is there and did not end."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.is_file() and "State:\tZ" in status.read_text())
