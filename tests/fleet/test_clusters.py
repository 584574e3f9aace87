"""A cluster at an address: who is there, and whether it has the dtypecheck of whoever asks, is told before any work."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from dtypecheck.fleet.chosen import engine_of
from dtypecheck.fleet.engines import Name, on_dask, there
from dtypecheck.fleet.engines.there import OtherVersion, carried
from dtypecheck.fleet.engines.window import AHEAD, room_of
from dtypecheck.fleet.rows import Job
from dtypecheck.request import WrongUse

from .works import echo

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask cluster with one worker."""
    distributed = pytest.importorskip("distributed")
    quiet = {"silence_logs": 100, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", **quiet) as made:
        yield made.scheduler_address


@pytest.fixture
def silent() -> str:
    """A port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def test_a_cluster_is_used_and_still_there_when_its_user_has_left(cluster: str) -> None:
    given = [(Job(str(number)),) for number in range(20)]
    for _ in range(2):
        with closing(engine_of("dask", None, cluster, 100)) as engine:
            assert list(engine.run(echo, given)) == [echo(batch) for batch in given]


def test_a_worker_with_another_dtypecheck_is_refused_before_any_work(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there, "__version__", "99.0")
    with pytest.raises(WrongUse, match=rf"{cluster}: a worker has dtypecheck .*, here is 99\.0"):
        engine_of("dask", None, cluster, 100)


def test_a_worker_that_comes_later_with_another_dtypecheck_does_no_work() -> None:
    with pytest.raises(OtherVersion, match=r"who asks has 99\.0"):
        carried(echo, (Job("one"),), "99.0")


def test_a_worker_without_dtypecheck_is_told_before_any_work(cluster: str) -> None:
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        client.run(forget)
        with pytest.raises(WrongUse, match=r"dtypecheck cannot be imported there: pip install dtypecheck=="):
            engine_of("dask", None, cluster, 100)
        client.run(remember)


def forget() -> None:
    """In a worker: there is no dtypecheck any more."""
    for name in [name for name in sys.modules if name.split(".")[0] == "dtypecheck"]:
        del sys.modules[name]
    sys.modules["dtypecheck"] = None  # type: ignore[assignment]


def remember() -> None:
    """In a worker: there is one again."""
    del sys.modules["dtypecheck"]


def test_an_address_at_which_nobody_is_names_itself(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(on_dask, "ANSWER", 0.2)
    with pytest.raises(WrongUse, match=f"--address tcp://{silent}: no cluster answers there"):
        engine_of("dask", None, f"tcp://{silent}", 100)


@pytest.mark.parametrize(("name", "library"), [("dask", "distributed"), ("ray", "ray")])
@pytest.mark.parametrize("address", ["nonsense", "foo://127.0.0.1:8786", ""])
def test_what_is_no_address_is_told(name: Name, library: str, address: str) -> None:
    pytest.importorskip(library)
    with pytest.raises(WrongUse, match=f"--address {address}: no cluster answers there"):
        engine_of(name, None, address, 100)


def test_a_ray_address_at_which_nobody_is_names_itself(silent: str) -> None:
    pytest.importorskip("ray")
    for address in (f"ray://{silent}", silent):
        with pytest.raises(WrongUse, match=f"--address {address}: no cluster answers there"):
            engine_of("ray", None, address, 100)


@pytest.mark.parametrize(("name", "library"), [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_without_its_library_says_what_to_install(name: Name, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(WrongUse, match=rf"needs {library}: pip install 'dtypecheck\[{name}\]'"):
        engine_of(name, 1, None, 100)


def test_this_machine_has_no_address() -> None:
    with pytest.raises(WrongUse, match="--engine dask or --engine ray"):
        engine_of("local", 1, "tcp://127.0.0.1:8786", 100)


def test_what_is_under_way_follows_the_size_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, now = iter([2, 5, 0]), 100.0
    monkeypatch.setattr("dtypecheck.fleet.engines.window.time.monotonic", lambda: now)
    room = room_of(lambda: next(sizes), None)
    assert [room(), room()] == [2 * AHEAD, 2 * AHEAD]
    now += 60
    assert room() == 5 * AHEAD
    now += 60
    assert room() == 1


def test_no_more_is_under_way_than_was_asked_for() -> None:
    assert room_of(lambda: 8, 3)() == 3


def test_a_stop_by_hand_waits_until_processes_are_started_and_they_never_hear_of_it() -> None:
    heard = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    told = ""

    def start() -> None:
        nonlocal told
        with there.deaf():
            signal.raise_signal(signal.SIGINT)
            told = subprocess.run([sys.executable, "-c", heard], capture_output=True, text=True, timeout=60, check=True).stdout

    with pytest.raises(KeyboardInterrupt):
        start()
    assert told == "True\n"
