"""In a notebook: reports show themselves as pages, `%%watch` runs a cell as the shell would and reports on it; a real IPython."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dtypecheck.report import Report

from .render import made
from .render.reading import read

pytest.importorskip("IPython", reason="IPython is not installed; it is no dependency of dtypecheck")
from IPython.core.interactiveshell import InteractiveShell

NET = "import torch\nnet = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())\n"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """The shell of this process; what it puts into the builtins is taken out again."""
    before = builtins.__dict__.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield InteractiveShell.instance()
    InteractiveShell.clear_instance()
    for name in builtins.__dict__.keys() - before.keys():
        del builtins.__dict__[name]


@pytest.fixture
def shell(one: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> Iterator[InteractiveShell]:
    """The shell with nothing in it but the extension."""
    one.reset(new_session=False)
    one.run_line_magic("load_ext", "dtypecheck.notebook")
    capsys.readouterr()
    yield one
    one.run_line_magic("unload_ext", "dtypecheck.notebook")


@pytest.fixture
def shown(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the shell published, by MIME type: what a notebook would draw."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *_, **__: found.append(data))
    return found


@pytest.fixture
def cell(shell: InteractiveShell) -> Callable[[str], Any]:
    """Run a cell."""
    return lambda text: shell.run_cell(text, store_history=True)


# what must be left alone


def test_a_cell_under_watch_has_the_shell_s_names_magics_and_last_value(
    shell: InteractiveShell, cell: Callable[[str], Any], shown: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    cell("x = 20")
    result = cell("%%watch\ny = x + 1\nfolder = %pwd\nassert folder\ny * 2")
    assert result.success
    assert shell.user_ns["y"] == 21
    assert shell.user_ns["_"] == 42
    assert "42" in capsys.readouterr().out
    assert "watch" not in shell.user_ns


def test_nothing_is_left_behind_when_the_extension_goes(shell: InteractiveShell, cell: Callable[[str], Any]) -> None:
    assert shell.display_formatter
    assert shell.display_formatter.format(made.black())[0]["text/html"]
    shell.run_line_magic("unload_ext", "dtypecheck.notebook")
    assert "text/html" not in shell.display_formatter.format(made.black())[0]
    assert shell.find_cell_magic("watch") is None
    shell.run_line_magic("load_ext", "dtypecheck.notebook")
    assert shell.find_cell_magic("watch") is not None


# reports


def test_a_report_is_a_page_in_a_notebook_and_the_terminal_s_text_in_a_console(shell: InteractiveShell) -> None:
    assert shell.display_formatter
    data, _ = shell.display_formatter.format(made.black())
    assert len(read(data["text/html"]).all("li", "block")) == 4
    assert "DT307" in data["text/plain"]
    assert "Report(" not in data["text/plain"]
    assert "<" not in data["text/plain"].replace("<script>", "")


def test_a_report_shows_itself_as_soon_as_the_package_is_used(shell: InteractiveShell) -> None:
    assert shell.display_formatter
    pages = shell.display_formatter.formatters["text/html"]
    pages.pop(Report, None)
    shell.run_cell("import dtypecheck\ndtypecheck.scan")
    assert pages.lookup_by_type(Report)


# %%watch


def test_a_healthy_cell_shows_what_was_seen(cell: Callable[[str], Any], shown: list[dict[str, Any]]) -> None:
    assert cell("%%watch\n" + NET + "_ = net(torch.ones(2, 4))").success
    (data,) = shown
    whole = read(data["text/html"])
    assert whole.all("p", "top")[0].text.startswith("no dtype fault in ")
    assert whole.all("article") == []
    assert len(whole.all("svg")) == 1


def test_a_cell_that_crashes_keeps_its_own_traceback_and_is_explained(
    cell: Callable[[str], Any], shown: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    result = cell("%%watch\n" + NET + "net(torch.ones(2, 4).half())")
    assert isinstance(result.error_in_exec, RuntimeError)
    frames, _, _ = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).rpartition("RuntimeError: ")
    assert "Cell In[" in frames
    assert "notebook.py" not in frames
    (data,) = shown
    (card,) = read(data["text/html"]).all("article")
    assert "DT301" in card.text


def test_numbers_that_overflow_are_found_in_the_module_that_did_it(
    cell: Callable[[str], Any], shown: list[dict[str, Any]]
) -> None:
    cell(NET + "_ = net.half()\nwith torch.no_grad(): _ = net[0].weight.fill_(60000.0)")
    assert cell("%%watch net --into kept\n_ = net(torch.ones(2, 4).half())").success
    (data,) = shown
    whole = read(data["text/html"])
    assert "DT307" in whole.all("article")[0].text
    assert len(whole.one("svg").all("path", "ring")) == 1


def test_the_report_is_kept_in_a_variable_if_one_is_named(
    shell: InteractiveShell, cell: Callable[[str], Any], shown: list[Any]
) -> None:
    cell("%%watch --into kept --level component\n" + NET + "net(torch.ones(2, 4))")
    report = shell.user_ns["kept"]
    assert isinstance(report, Report)
    assert report.runs[0].how == "watched"
    assert sum(report.runs[0].steps.values()) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--level all", "invalid choice: 'all'"),
        ("nobody", "there is no variable nobody"),
        ("--into 3x", "'3x' is no name of a variable"),
        ("--into 'a", "No closing quotation"),
        ("--helth", "unrecognized arguments: --helth"),
    ],
)
def test_words_that_mean_nothing_are_told_in_one_line_and_the_cell_does_not_run(
    shell: InteractiveShell,
    cell: Callable[[str], Any],
    shown: list[Any],
    capsys: pytest.CaptureFixture[str],
    line: str,
    words: str,
) -> None:
    result = cell(f"%%watch {line}\nran = True")
    assert not result.success
    out = capsys.readouterr().out
    assert words in out
    assert len(out.strip().splitlines()) == 1
    assert "ran" not in shell.user_ns
    assert shown == []


def test_the_magic_tells_what_may_stand_behind_it(shell: InteractiveShell) -> None:
    magic = shell.find_cell_magic("watch")
    assert magic
    assert "--confirm" in (magic.__doc__ or "")


def test_two_watched_cells_do_not_share_anchors(cell: Callable[[str], Any], shown: list[dict[str, Any]]) -> None:
    for size in (3, 5):
        cell(f"%%watch\nimport torch\n_ = torch.nn.Linear({size}, {size})(torch.ones({size}, {size}))")
    ids = [{e.attributes["id"] for e in read(data["text/html"]).all() if "id" in e.attributes} for data in shown]
    assert len(ids) == 2
    assert ids[0]
    assert not ids[0] & ids[1]
