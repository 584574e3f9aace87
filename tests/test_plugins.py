"""Plugins: rules and rows of another distribution are found, cheaply, and one that cannot be used ends the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck import checks, rule
from dtypecheck.plugins import BadPlugin, Plugin, plugins, register, row_folders, whose
from dtypecheck.request import WrongUse
from dtypecheck.rule import Rule, find, matching, nearest
from dtypecheck.testing import lay_out
from dtypecheck.testing.found import rules_in
from dtypecheck.testing.scaffold import new_rule

LIMIT = 240
"""Seconds that any process of these tests may take."""


def python(*words: str, at: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A run of Python in a folder, with another one on the path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(path or ""), os.environ.get("PYTHONPATH", ""))))}
    return subprocess.run([sys.executable, *words], cwd=at, env=environment, capture_output=True, text=True, timeout=LIMIT)


def dtypecheck(*words: str, at: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python("-m", "dtypecheck", *words, at=at, path=path)


def lay(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE that is stored in float64."""
    folder = tmp_path_factory.mktemp("work") / "model"
    folder.mkdir()
    files = lay_out(
        'config.json: {"_class_name": "AutoencoderKL"}\ndiffusion_pytorch_model.safetensors: decoder.conv_in.weight F64 4x4'
    ).files
    for entry in files.entries():
        (folder / entry.name).write_bytes(files.read(entry.name))
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin as pip installs it: made by `dev new-rule`, with a folder of rows of its own."""
    pytest.importorskip("pip", reason="an environment without pip")
    project, site = tmp_path_factory.mktemp("acme-rules-project") / "acme-rules", tmp_path_factory.mktemp("site")
    project.mkdir()
    done = dtypecheck("dev", "new-rule", "weights-in-float64", at=project)
    assert done.returncode == 0, done.stderr
    text = (project / "pyproject.toml").read_text()
    entry = '[project.entry-points."dtypecheck.rules"]\nacme = "acme_rules:rows"\n\n[tool.hatch'
    (project / "pyproject.toml").write_text(text.replace("[tool.hatch", entry, 1))
    lay(project, **{"acme_rules/rows/devices.toml": '[[abacus]]\naliases = ["beads"]\nwhy = "slow"\nsource = "ours"\n'})
    command = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), str(project)]
    done = python(*command, "--disable-pip-version-check", "-q", at=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return site


# what must be left alone


def test_without_plugins_there_are_none() -> None:
    assert [plugin for plugin in plugins() if plugin.distribution.startswith("acme")] == []
    assert all(kind.__module__.startswith("dtypecheck.") for kind in rule.rules() if kind.code.startswith("DT"))


def test_a_package_that_only_mentions_us_is_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, **{"x-1.dist-info/entry_points.txt": "[console_scripts]\ndtypecheck.checks = x:y\n", "y.dist-info": ""})
    assert looked_up(tmp_path, monkeypatch) == ()


# an installed plugin


def test_the_rules_of_an_installed_plugin_judge_and_are_selected_as_ours(installed: Path, model: Path) -> None:
    at = model.parent
    assert "ACME" not in dtypecheck("scan", "model", at=at).stdout
    done = dtypecheck("scan", "model", "--output-format", "json", at=at, path=installed)
    assert done.returncode == 0, done.stderr
    assert [item["name"] for item in json.loads(done.stdout)["findings"] if item["code"] == "ACME001"] == ["weights-in-float64"]
    done = dtypecheck("scan", "model", "--select", "acme", "--fail-on", "warning", at=at, path=installed)
    assert (done.returncode, "ACME001" in done.stdout) == (1, True)
    assert (
        dtypecheck("scan", "model", "--fail-on", "warning", "--ignore", "weights-in-float64", at=at, path=installed).returncode
        == 0
    )
    assert dtypecheck("explain", "ACME001", at=at, path=installed).stdout.count("float64") > 1


def test_the_rows_of_an_installed_plugin_are_known(installed: Path, model: Path) -> None:
    assert dtypecheck("scan", "model", "--device", "beads", at=model.parent, path=installed).returncode == 0
    assert dtypecheck("scan", "model", "--device", "beads", at=model.parent).returncode == 2


# what cannot be used

RULE = """
from dtypecheck.rule import Rule
from dtypecheck.subjects import Component
class {name}(Rule):
    code = "{code}"
    def check(self, component: Component, known):
        yield from ()
"""


def plugin(site: Path, text: str, value: str = "other_rules", group: str = "dtypecheck.checks") -> Path:
    return lay(
        site,
        **{
            "other_rules.py": text,
            "other_rules-2.1.dist-info/entry_points.txt": f"[{group}]\nmine = {value}\n",
            "other_rules-2.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: other-rules\nVersion: 2.1\n",
        },
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("def (", "cannot be imported: SyntaxError: "),
        ("x = 1", "registers no rule"),
        (RULE.format(name="Mine", code="DT102"), "Mine and DeclaredDtypeNarrows have the same code DT102"),
        (RULE.format(name="Mine", code="DT999"), "gives Mine the code 'DT999': it wants letters other than DT"),
        (RULE.format(name="Mine", code="101"), "gives Mine the code '101'"),
        (RULE.format(name="DeclaredDtypeNarrows", code="OTH001"), "OTH001 called 'declared-dtype-narrows', as DT102 is"),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_used_is_named_with_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    checks.load()
    monkeypatch.setattr(rule, "_RULES", dict(rule._RULES))
    plugin(tmp_path, text)
    assert len(looked_up(tmp_path, monkeypatch)) == 1
    for wanted in (words, ""):  # also when it is asked for again, whatever was imported of it the first time
        with pytest.raises(BadPlugin) as caught:
            register()
        assert str(caught.value).startswith("the plugin other_rules 2.1 (dtypecheck.checks: mine = other_rules) ")
        assert wanted in str(caught.value)


def test_what_else_a_plugin_raises_comes_out_as_it_is_and_is_known_to_be_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(tmp_path, "class Odd(Exception): pass\nraise Odd('out of beads')")
    (found,) = looked_up(tmp_path, monkeypatch)
    with pytest.raises(Exception, match="out of beads") as caught:
        register()
    assert whose(caught.value) == found


def looked_up(site: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plugin, ...]:
    """The plugins where only one folder is on the path, besides the standard library's."""
    monkeypatch.setattr(
        sys, "path", [str(site), *(place for place in sys.path if "site-packages" not in place and place != str(site))]
    )
    monkeypatch.delitem(sys.modules, "other_rules", raising=False)
    plugins.cache_clear()
    found = plugins()
    monkeypatch.setattr("dtypecheck.plugins.plugins", lambda: found)
    return found


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """What a test has on its path no other one finds."""
    plugins.cache_clear()


def test_a_broken_plugin_is_no_green_gate(tmp_path: Path, model: Path) -> None:
    plugin(tmp_path, "import nowhere_to_be_found")
    for words in (("gate", "--no-rehearse", "model"), ("scan", "model"), ("explain", "DT102")):
        done = dtypecheck(*words, at=model.parent, path=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr.startswith("dtypecheck: the plugin other_rules 2.1 ")
        assert done.stderr.count("\n") == 1
    assert dtypecheck("--help", at=model.parent, path=tmp_path).returncode == 0


def test_a_rule_that_raises_is_a_bug_of_its_plugin(tmp_path: Path, model: Path) -> None:
    plugin(tmp_path, RULE.format(name="Raises", code="OTH001").replace("yield from ()", "yield 1 / 0"))
    done = dtypecheck("scan", "model", at=model.parent, path=tmp_path)
    assert done.returncode == 2
    start = "dtypecheck: a bug of the plugin other_rules 2.1 (dtypecheck.checks: mine = other_rules): ZeroDivisionError: "
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("value", ["nowhere_at_all", "other_rules", "other_rules:rows"])
def test_rows_that_are_not_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    plugin(tmp_path, "", value, "dtypecheck.rules")
    looked_up(tmp_path, monkeypatch)
    with pytest.raises(BadPlugin, match=r"names no folder with \.toml files"):
        row_folders()


def test_nothing_is_taken_from_the_working_directory(tmp_path: Path, model: Path) -> None:
    plugin(model.parent, "raise SystemExit('executed')")
    try:
        done = dtypecheck("scan", "model", at=model.parent)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        (model.parent / "other_rules-2.1.dist-info" / "entry_points.txt").unlink()


def test_of_two_distributions_of_one_name_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, **{"a/Acme_Rules-1.dist-info/entry_points.txt": "[dtypecheck.checks]\nx = one\n"})
    lay(tmp_path, **{"b/acme.rules-2.dist-info/entry_points.txt": "[dtypecheck.checks]\nx = two  # newer\n"})
    monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "not there")])
    assert [(found.distribution, found.module) for found in plugins()] == [("Acme_Rules 1", "one")]


# selectors


def test_codes_of_plugins_are_selected_by_code_prefix_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    checks.load()
    monkeypatch.setattr(rule, "_RULES", dict(rule._RULES))
    space: dict[str, type[Rule]] = {}
    exec(RULE.format(name="BeadsLost", code="DTX101") + RULE.format(name="BeadsFound", code="DTX201"), space)  # noqa: S102
    exec(RULE.format(name="BeadsSold", code="BEADS101"), space)  # noqa: S102
    assert matching("DTX") == matching("dtx") == ("DTX101", "DTX201")
    assert matching("DTX1") == matching("beads-lost") == ("DTX101",)
    assert not {"DTX101", "DTX201"} & set(matching("DT"))
    assert matching("D") == matching("X") == ()
    assert (nearest("BEADS102"), nearest("beads-lots")) == ("BEADS101", "beads-lost")


# a new rule, and its test


@pytest.mark.parametrize("about", ["files", "scripts"])
def test_a_new_rule_holds_at_once_and_fails_when_it_is_emptied(tmp_path: Path, about: str) -> None:
    project = tmp_path / "Beads.Rules"
    project.mkdir()
    assert dtypecheck("dev", "new-rule", "BeadsAreWide", "--about", about, at=project).returncode == 0
    assert (project / "beads_rules" / "beads_are_wide.py").exists()
    done = dtypecheck("dev", "test-rules", ".", at=project)
    assert (done.returncode, done.stdout) == (0, "BEAD001 beads-are-wide: 2 examples hold\n1 rules hold\n")
    test = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"]
    path = project / "beads_rules" / "beads_are_wide.py"
    text = path.read_text()
    if about == "files":
        assert python(*test, at=project).returncode == 0
    head, check, body = text.partition("    def check(")
    path.write_text(head + check + body.partition('"""\n')[0] + '"""\n        yield from ()\n')
    if about == "files":
        assert python(*test, at=project).returncode == 1
    done = dtypecheck("dev", "test-rules", "beads_rules", at=project)
    assert (done.returncode, done.stdout) == (1, "BEAD001 beads-are-wide: example bad 1 is silent\n1 of 1 rules failed\n")


def test_the_codes_of_a_project_are_counted_and_its_own_package_is_used(tmp_path: Path) -> None:
    lay(tmp_path, **{"pyproject.toml": '[project]\nname = "Dtypecheck-Beads"\n', "src/x": ""})
    made = new_rule("first-fault", tmp_path)
    assert made.code == "BEAD001"
    assert set(made.files) == {
        "src/dtypecheck_beads/__init__.py", "src/dtypecheck_beads/first_fault.py", "tests/test_first_fault.py"
    }  # fmt: skip
    assert '[project.entry-points."dtypecheck.checks"]\ndtypecheck_beads = "dtypecheck_beads"' in made.advice[0]
    made.write(tmp_path)
    assert new_rule("second-fault", tmp_path).code == "BEAD002"
    entry = '[project.entry-points."dtypecheck.checks"]\nx = "beads.rules:all"\n'
    lay(tmp_path, **{"pyproject.toml": f'[project]\nname = "beads"\n{entry}'})
    made = new_rule("third-fault", tmp_path)
    assert "src/beads/rules/third_fault.py" in made.files
    assert made.advice == ("pip install -e .",)


def test_in_the_checkout_a_rule_gets_the_next_free_code_of_its_family(tmp_path: Path) -> None:
    (tmp_path / "dtypecheck" / "checks" / "files").mkdir(parents=True)
    made = new_rule("beads-are-wide", tmp_path)
    assert set(made.files) == {"dtypecheck/checks/files/beads_are_wide.py", "tests/checks/test_beads_are_wide.py"}
    assert made.code.startswith("DT1")
    assert find(made.code) is None
    assert "from ...rule import Rule" in made.files["dtypecheck/checks/files/beads_are_wide.py"]


@pytest.mark.parametrize("name", ["", "1st", "a/b", "../x", "declared-dtype-narrows", "DeclaredDtypeNarrows", "-x", "a--b"])
def test_a_name_that_is_no_good_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse):
        new_rule(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", ["DT101", "DT1", "x1", "A1", "ABC", "ABC12345"])
def test_a_code_that_is_not_a_plugins_to_give_is_refused(tmp_path: Path, code: str) -> None:
    with pytest.raises(WrongUse, match="is no code for a plugin's rule"):
        new_rule("beads-are-wide", tmp_path, code=code)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    made = new_rule("beads-are-wide", tmp_path)
    lay(tmp_path, **{"tests/test_beads_are_wide.py": "mine"})
    with pytest.raises(WrongUse, match="is there already"):
        made.write(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.py")] == ["test_beads_are_wide.py"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file"),
        ("x = 1", "there is no rule in it"),
        ('class A:\n    code = "AB1"\n', "there is no rule in it"),
        ('raise KeyError("beads")\ncode = 1\nclass A:\n    code = "AB1"\n', "cannot be imported: KeyError: 'beads'"),
    ],
)
def test_a_path_without_rules_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, words: str) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / f"beads_{len(words)}.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises((WrongUse, BadPlugin), match=words):
        rules_in(path)


def test_our_own_pages_hold_by_the_same_command(tmp_path: Path) -> None:
    path = Path(checks.__file__).parent / "reading" / "broken_json.py"
    assert dtypecheck("dev", "test-rules", str(path), at=tmp_path).returncode == 0


def test_the_schema_is_printed(tmp_path: Path) -> None:
    done = dtypecheck("dev", "config-schema", at=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["title"] == "Settings of dtypecheck"
