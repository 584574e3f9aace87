"""Killed at any moment: every file is whole, the journal tells of it, and either direction ends it."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dtypecheck.fixing.apply import Acts, apply, finish, interrupted, undo, unended
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.fixplan import FixPlan

from .apply_cases import Counted, after, child, edits, in_memory, lay, plan, times, tree, whole

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be killed")
QUICK = 26
"""Kills of the default suite, spread over all acts; `-m slow` does every one."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    folder = in_memory(tmp_path)
    yield folder
    shutil.rmtree(folder)


def die(act: str, path: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def no_links(act: str, path: Path) -> None:
    if act == "link":
        raise OSError(errno.EPERM, "this disk has no hard links", str(path))


def killed(work: Callable[[Acts], object], stop: int) -> bool:
    """Whether the work was killed before its `stop`-th act; it ended before that otherwise."""
    code = child(lambda: work(Counted(stop, die).acts))
    assert code in (0, -signal.SIGKILL)
    return code != 0


def count(folder: Path, backward: bool = False) -> int:
    """How many acts a fix, or an undo, consists of."""
    model = lay(folder / "counted")
    counted = Counted()
    apply(model, plan(model, *edits(model)), acts=None if backward else counted.acts)
    if backward:
        undo(model, acts=counted.acts)
    shutil.rmtree(folder / "counted")
    return len(counted.seen)


def one_kill(folder: Path, stop: int, forward: bool, of_undo: bool = False) -> bool:
    """Kill a fix (or an undo) before its `stop`-th act, look at everything, end it in one direction, look again."""
    model = lay(folder)
    before, dated = tree(model), times(model)
    new, made = after(before, model), plan(model, *edits(model))
    if of_undo:
        apply(model, made)
        died = killed(lambda acts: undo(model, acts=acts), stop)
    else:
        died = killed(lambda acts: apply(model, made, acts=acts), stop)
    now = tree(model)
    assert list(whole(now, before, new)) == []
    told = interrupted(model)
    if files(now) not in (files(before), files(new)):
        assert told is not None
    if told is not None:
        assert told.process == 0
        assert [text for _, text in unended(model)] == [told.text]
        with pytest.raises(Refusal, match="interrupted"):
            apply(model, made)
        assert tree(model) == now
    if forward and told is not None:
        finish(model)
        assert tree(model) == new
        assert interrupted(model) is None
    if (model.parent / ".model.dtypecheck-undo").exists() and (told is not None or files(now) == files(new)):
        undo(model)
        assert tree(model) == before
        assert times(model) == dated
    assert interrupted(model) is None
    shutil.rmtree(folder)
    return died


def files(now: dict[str, bytes]) -> dict[str, bytes]:
    """Without the folders that are empty for a moment."""
    return {path: data for path, data in now.items() if not path.endswith("/")}


def spread(acts: int, many: int) -> list[int]:
    """So many numbers of acts, the first and the last among them."""
    return sorted({1 + round(number * (acts - 1) / (many - 1)) for number in range(many)})


def test_a_fix_killed_before_one_of_its_acts_is_ended_in_either_direction(memory: Path) -> None:
    kills = [one_kill(memory / "one", stop, forward=bool(stop % 2)) for stop in spread(count(memory), QUICK)]
    assert sum(kills) >= 25


def test_an_undo_killed_before_one_of_its_acts_is_ended_in_either_direction(memory: Path) -> None:
    stops = spread(count(memory, backward=True), QUICK // 2)
    assert sum(one_kill(memory / "one", stop, bool(stop % 2), of_undo=True) for stop in stops) >= 12


def test_a_kill_after_the_last_act_finds_everything_done(memory: Path) -> None:
    assert not one_kill(memory / "one", count(memory) + 1, forward=False)


def test_a_kill_while_undo_data_is_swept_on_a_full_disk_leaves_no_half_fix(memory: Path) -> None:
    model = lay(memory)
    before, made = tree(model), plan(model, *edits(model))
    rejected, unlinked = [], 0

    def act(name: str, path: Path) -> None:
        nonlocal unlinked
        if rejected and name == "write":
            raise OSError(errno.ENOSPC, "the disk is full", str(path))
        unlinked += bool(rejected) and name == "unlink" and path.name.isdigit()
        if unlinked == 3:  # all is back, and of the five new files two are gone
            die(name, path)

    def verify(root: Path) -> list[str]:
        rejected.append("no good")
        return rejected

    assert child(lambda: apply(model, made, verify=verify, acts=Acts(act))) == -signal.SIGKILL
    assert tree(model) == before
    assert interrupted(model) is None
    apply(model, made)
    assert list((memory / ".model.dtypecheck-undo").glob("swept-*")) == []


@pytest.mark.slow
def test_a_fix_and_an_undo_killed_before_each_of_their_acts_are_ended_in_both_directions(tmp_path: Path, memory: Path) -> None:
    kills = 0
    for of_undo in (False, True):
        acts = count(memory, of_undo)
        for stop in range(1, acts + 1):
            kills += sum(one_kill(memory / "one", stop, forward, of_undo) for forward in (True, False))
        for stop in spread(acts, 20):
            kills += one_kill(tmp_path / "one", stop, bool(stop % 2), of_undo)
    print(f"{kills} kills before a given act, no loss")
    assert kills >= 300


def without_links(model: Path, made: FixPlan, stop: int) -> bool:
    """Kill a fix on a disk without hard links."""

    def die_or_refuse() -> None:
        counted = Counted(stop, die)

        def before(act: str, path: Path) -> None:
            counted.before(act, path)
            no_links(act, path)

        apply(model, made, acts=Acts(before))

    return child(die_or_refuse) == -signal.SIGKILL


def no_link_kill(folder: Path, stop: int, forward: bool) -> bool:
    model = lay(folder)
    before = tree(model)
    made, new = plan(model, *edits(model)), after(before, model)
    died = without_links(model, made, stop)
    now = tree(model)
    missing = {path for path in whole(now, before, new) if path not in now}
    assert [path for path in whole(now, before, new) if path not in missing] == []
    assert len(missing) <= 1
    told = interrupted(model)
    assert told or not missing
    if told and forward:
        finish(model, acts=Acts(no_links))
        assert tree(model) == new
    if told or files(now) == files(new):
        undo(model, acts=Acts(no_links))
        assert tree(model) == before
    shutil.rmtree(folder)
    return died


def test_without_hard_links_a_killed_fix_is_ended_in_either_direction(memory: Path) -> None:
    kills = [no_link_kill(memory / "one", stop, bool(stop % 2)) for stop in range(50, 130, 7)]
    assert sum(kills) >= 8


@pytest.mark.slow
def test_without_hard_links_a_fix_killed_before_each_of_its_acts_is_ended_in_both_directions(memory: Path) -> None:
    kills = sum(no_link_kill(memory / "one", stop, forward) for stop in range(1, 140) for forward in (True, False))
    print(f"{kills} kills on a disk without hard links, no loss")
    assert kills >= 200


def by_chance(folder: Path, chance: random.Random, longest: float) -> int:
    """Fixes, finishes and undos, each killed after a random time, until one ends; then the other direction. The kills."""
    model = lay(folder)
    before = tree(model)
    made, new = plan(model, *edits(model)), after(before, model)
    kills, works = 0, (lambda: apply(model, made),)
    while True:
        number = os.fork()
        if number == 0:
            try:
                chance.choice(works)()
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, longest))
        os.kill(number, signal.SIGKILL)
        died = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) != 0
        kills += died
        now = tree(model)
        assert list(whole(now, before, new)) == []
        if interrupted(model) is None:
            assert files(now) in (files(before), files(new))
            if not died or kills > 6:
                break
            works = (lambda: apply(model, made),) if files(now) == files(before) else (lambda: undo(model),)
        else:
            works = (lambda: finish(model), lambda: undo(model))
    if (folder / ".model.dtypecheck-undo").exists() and files(tree(model)) == files(new):
        undo(model)
    assert tree(model) == before
    shutil.rmtree(folder)
    return kills


def test_kills_at_random_moments_one_after_the_other_lose_nothing(memory: Path) -> None:
    chance = random.Random(5)
    kills = 0
    for _ in range(60):
        kills += by_chance(memory / "one", chance, 0.02)
        if kills >= 8:
            return
    pytest.fail(f"only {kills} kills came in time")


@pytest.mark.slow
def test_three_hundred_kills_at_random_moments_lose_nothing(tmp_path: Path, memory: Path) -> None:
    chance = random.Random()
    kills = 0
    while kills < 300:
        kills += by_chance(memory / "one", chance, 0.04)
        kills += by_chance(tmp_path / "one", chance, 0.3)
    print(f"{kills} kills at random moments, no loss")
