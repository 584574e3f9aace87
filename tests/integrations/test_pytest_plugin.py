"""The pytest plugin in real runs of pytest on real torch modules, also spread over processes by xdist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

INSTALLED = any(entry.value == "dtypecheck.pytest_plugin" for entry in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "dtypecheck.pytest_plugin")
"""A checkout that is only on the path has no entry points; one that was installed, as in CI, is found by its own."""
TESTS = '''
import unittest
import pytest, torch
from torch import nn

X = torch.full((2, 4), 100.0, dtype=torch.half)

class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4).half(), nn.Linear(4, 4)

    def forward(self, x):
        return self.b(self.a(x))

class Hot(nn.Module):
    """Its first layer leaves the range of float16, the next one makes NaN of that."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Linear(4, 4).half(), nn.LayerNorm(4).half()
        nn.init.constant_(self.a.weight, 3000.0)

    def forward(self, x):
        return self.norm(self.a(x))

def test_fine():
    assert nn.Linear(4, 4)(torch.ones(2, 4)).shape == (2, 4)

def test_no_torch_in_it():
    assert 1 + 1 == 2

def test_black():
    assert Hot()(X).shape == (2, 4)

def test_crash():
    Mixed()(X)

def test_expected_crash():
    with pytest.raises(RuntimeError):
        Mixed()(X)

def test_fails_for_its_own_reason():
    Hot()(X)
    assert 1 == 2

@pytest.mark.dtypecheck(ignore=["numbers-not-finite"])
def test_ignored():
    Hot()(X)

@pytest.mark.dtypecheck(watch=False)
def test_unwatched():
    Hot()(X)

@pytest.mark.dtypecheck(ignore="DT9")
def test_no_such_rule():
    pass

@pytest.mark.xfail(strict=True)
def test_known_to_be_black():
    Hot()(X)

def test_skipped():
    pytest.skip("not today")

class TestOld(unittest.TestCase):
    def test_old_black(self):
        Hot()(X)

    def test_old_crash(self):
        Mixed()(X)

def test_fixture_sees_it(dtype_watch):
    Hot()(X)
    assert dtype_watch.report.worst == "error"
    assert [it.module for it in dtype_watch.run.producers] == ["a"]

def test_fixture_asserts(dtype_watch):
    Hot()(X)
    dtype_watch.assert_clean()

def test_fixture_narrows(dtype_watch):
    Hot()(X)
    net = nn.Linear(4, 4)
    with dtype_watch(net, level="op") as watch:
        net(torch.ones(2, 4))
    assert watch is dtype_watch
    assert dtype_watch.report.seen["modules"] == 1
    dtype_watch.assert_clean()
'''
OUTCOMES = {
    "test_fine": "PASSED",
    "test_no_torch_in_it": "PASSED",
    "test_black": "FAILED",
    "test_crash": "FAILED",
    "test_expected_crash": "PASSED",
    "test_fails_for_its_own_reason": "FAILED",
    "test_ignored": "PASSED",
    "test_unwatched": "PASSED",
    "test_no_such_rule": "FAILED",
    "test_known_to_be_black": "XFAIL",
    "test_old_black": "FAILED",
    "test_old_crash": "FAILED",
    "test_fixture_sees_it": "PASSED",
    "test_fixture_asserts": "FAILED",
    "test_fixture_narrows": "PASSED",
}


def ran(folder: Path, *spread: str) -> str:
    """What a run of all of them prints."""
    (folder / "test_nets.py").write_text(TESTS)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "GITHUB", "CI"))}
    words = ["-m", "pytest", *PLUGIN, *spread, "-rA", "-p", "no:cacheprovider", "--dtypecheck"]
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run of all of them prints in one process."""
    return ran(tmp_path_factory.mktemp("watched"), "-p", "no:xdist")


def outcomes(text: str) -> dict[str, str]:
    """What became of each test."""
    found = re.findall(r"^(PASSED|FAILED|XFAIL) test_nets\.py::(?:TestOld::)?(\w+)", text, re.MULTILINE)
    return {name: word for word, name in found}


def section(text: str, title: str) -> str:
    """What stands under the head of a failed test."""
    return re.split(rf"_+ (?:TestOld\.)?{title} _+\n", text, maxsplit=1)[1].partition("\n____")[0].partition("\n====")[0]


def test_a_test_in_which_numbers_break_fails_and_one_that_expects_its_crash_does_not(watched: str) -> None:
    assert outcomes(watched) == OUTCOMES


@pytest.mark.slow
def test_spread_over_processes_by_xdist_all_of_it_is_the_same(tmp_path: Path) -> None:
    text = ran(tmp_path, "-n", "2")
    assert outcomes(text) == OUTCOMES
    assert text.count("2 errors in 12 watched tests") == 1
    assert re.split(r"-+ dtypecheck -+\n", section(text, "test_crash"))[1].startswith("error DT301")


def test_the_failure_is_the_finding_and_no_traceback_of_ours(watched: str) -> None:
    of_black = section(watched, "test_black")
    assert of_black.splitlines()[0].startswith("error DT307 the output of Hot is not finite: a (fp16) overflowed")
    assert "pytest_plugin.py" not in watched
    assert "Traceback" not in watched


def test_a_crash_is_explained_under_its_own_traceback(watched: str) -> None:
    for name in ("test_crash", "test_old_crash"):
        of_crash = section(watched, name)
        assert "RuntimeError: mat1 and mat2 must have the same dtype" in of_crash
        _, told = re.split(r"-+ dtypecheck -+\n", of_crash)
        assert told.startswith("error DT301 b has fp32 weights and is given fp16: the call crashes")


def test_a_test_that_fails_for_its_own_reason_shows_what_was_found_beside_it(watched: str) -> None:
    own, told = re.split(r"-+ dtypecheck -+\n", section(watched, "test_fails_for_its_own_reason"))
    assert "assert 1 == 2" in own
    assert "DT307" in told
    assert len(re.findall("DT307 the output", section(watched, "test_fixture_asserts"))) == 1


def test_a_rule_that_does_not_exist_is_told_with_the_nearest(watched: str) -> None:
    assert "no rule is called 'DT9'" in section(watched, "test_no_such_rule")


def test_at_the_end_each_finding_stands_once_with_its_tests(watched: str) -> None:
    summary = re.split(r"=+ dtypecheck =+\n", watched)[1].partition("\n====")[0].splitlines()
    assert [line.split()[1] for line in summary[:-1]] == ["DT301", "DT307"]
    assert summary[1].endswith("(test_nets.py::test_black and 4 more)")
    assert summary[-1] == "2 errors in 12 watched tests"


def test_without_the_option_nothing_is_imported_and_nothing_changes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            ours = {name for name in sys.modules if name.startswith("dtypecheck.")}
            assert ours == {"dtypecheck.pytest_plugin"}
            assert not {"torch", "numpy", "rich", "click"} & set(sys.modules)
        """
    )
    done = pytester.runpytest_subprocess(*PLUGIN, "-p", "no:xdist", timeout=60)
    done.assert_outcomes(passed=1)
    done.stdout.no_fnmatch_line("*= dtypecheck =*")


def test_without_torch_a_line_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nsys.modules['torch'] = None")
    pytester.makepyfile("def test_a(dtype_watch): pass\ndef test_b(): pass")
    done = pytester.runpytest_subprocess(*PLUGIN, "-p", "no:xdist", "--dtypecheck", timeout=60)
    done.assert_outcomes(errors=1, failed=1)
    done.stdout.fnmatch_lines(["*a watch needs torch: pip install 'dtypecheck[[]torch]'"])
    assert "Traceback" not in done.stdout.str()


def test_settings_that_are_not_understood_stop_the_run_before_it_begins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(): pass")
    pytester.path.joinpath("dtypecheck.toml").write_text('selct = ["DT3"]')
    done = pytester.runpytest_subprocess(*PLUGIN, "-p", "no:xdist", "--dtypecheck", timeout=60)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*unknown key 'selct'; the nearest is 'select'*"])


@pytest.mark.parametrize("name", ["pytest_plugin.py"])
def test_the_plugin_imports_at_the_top_only_what_pytest_has_already(name: str) -> None:
    text = (Path(__file__).parents[2] / "dtypecheck" / name).read_text("utf-8")
    tops = re.findall(r"^(?:from|import) (\S+)", text, re.M)
    assert set(tops) <= {"__future__", "collections", "collections.abc", "contextlib", "dataclasses", "typing", "pytest"}
