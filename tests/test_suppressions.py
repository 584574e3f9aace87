"""Ignores: in a script on the statement or right above it, in a notebook by cell, in the settings; each with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.cli import main
from dtypecheck.engine.scripts import commented
from dtypecheck.findings import Finding, Where
from dtypecheck.read.scripts.ignores import Ignore, ignores
from dtypecheck.report import Report
from dtypecheck.testing import lay_out
from dtypecheck.verbs.scan import scan_paths

BAD = "torch.randn(2).bfloat16().numpy()"
"""What DT207 is about."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(text: str, **options: str) -> list[Finding]:
    Path("s.py").write_text(f"import torch\n{text}\n")
    return sorted(scan_paths([Path("s.py")], **options).findings, key=lambda f: (f.where.line or 0, f.code))  # type: ignore[arg-type]


def said(findings: list[Finding]) -> list[tuple[str, int | None, str | None]]:
    return [(finding.code, finding.where.line, finding.muted) for finding in findings]


def covered(text: str) -> list[tuple[int, int]]:
    return [(comment.first, comment.last) for comment in ignores({0: text}, False)]


# what must be left alone


def test_a_text_that_looks_like_a_comment_mutes_nothing_and_is_not_told() -> None:
    assert ignores({0: 'x = "# dtypecheck: ignore[DT207] why"\n'}, False) == ()
    assert ignores({0: '"""\n# dtypecheck: ignore[DT207] why\n"""\n'}, False) == ()


def test_words_that_only_begin_alike_are_no_ignores() -> None:
    assert ignores({0: "x = 1  # dtypecheck: ignored for now\n# dtypecheck ignore[DT207] x\n"}, False) == ()


def test_a_script_without_such_comments_is_reported_as_before(place: Path) -> None:
    assert said(found(f"x = {BAD}")) == [("DT207", 2, None)]


# what a comment covers


@pytest.mark.parametrize(
    "text",
    [
        f"x = {BAD}  # dtypecheck: ignore[DT207] why",
        f"x = {BAD}  # noqa: E501  # dtypecheck: ignore[DT207] why",
        f"x = {BAD}  # dtypecheck: ignore[DT207] why  # noqa",
        f"x = {BAD}  #dtypecheck:ignore[ DT207 ]: why",
        f"x = {BAD}  # dtypecheck: ignore [bf16-to-numpy] - why",
        f"# dtypecheck: ignore[DT207] why\nx = {BAD}",
        f"# dtypecheck: ignore[DT207] why\n# more words\nx = {BAD}",
        f"x = print(  # dtypecheck: ignore[DT207] why\n    1,\n    {BAD},\n)",
        f"x = print(\n    1,\n    {BAD},\n)  # dtypecheck: ignore[DT207] why",
        f"x = print(\n    1,\n    # dtypecheck: ignore[DT207] why\n    {BAD},\n)",
        f"def f():\n    # dtypecheck: ignore[DT207] why\n    return {BAD}\nf()",
        f"if {BAD} is None:  # dtypecheck: ignore[DT207] why\n    pass",
    ],
)
def test_a_comment_mutes_what_is_in_its_statement_or_right_below_it(place: Path, text: str) -> None:
    (finding,) = found(text)
    assert (finding.code, finding.muted, finding.muted_by) == ("DT207", "why", "source")


@pytest.mark.parametrize(
    "text",
    [
        f"# dtypecheck: ignore[DT207] why\n\nx = {BAD}",
        f"x = 1  # dtypecheck: ignore[DT207] why\nx = {BAD}",
        f"x = {BAD}\n# dtypecheck: ignore[DT207] why",
        f"if x:  # dtypecheck: ignore[DT207] why\n    y = {BAD}",
        f"def f():  # dtypecheck: ignore[DT207] why\n    return {BAD}\nf()",
    ],
)
def test_a_comment_elsewhere_mutes_nothing_and_is_told(place: Path, text: str) -> None:
    findings = found(text)
    assert {finding.code: finding.muted for finding in findings} == {"DT207": None, "DT015": None}
    assert next(finding for finding in findings if finding.code == "DT015").message == "the ignore of DT207 mutes nothing"


def test_of_a_statement_that_holds_others_only_the_head_is_covered() -> None:
    assert covered("with a(\n  b\n):  # dtypecheck: ignore[X] y\n    c\n    d\n") == [(1, 3)]
    assert covered("@a\n@b  # dtypecheck: ignore[X] y\ndef f():\n    c\n") == [(1, 3)]
    assert covered("try:\n    a\nexcept B:  # dtypecheck: ignore[X] y\n    c\nelse:\n    d\n") == [(3, 3)]
    assert covered("match a:\n    case [\n        b]:  # dtypecheck: ignore[X] y\n        c\n") == [(2, 3)]


def test_a_text_that_python_cannot_read_covers_lines_one_by_one() -> None:
    assert covered("x = (  # dtypecheck: ignore[X] y\n") == [(1, 1)]
    assert covered("print 'x'  # dtypecheck: ignore[X] y\n") == [(1, 1)]


def test_windows_line_ends_and_several_ignores_in_one_comment_are_understood() -> None:
    assert covered("f(\r\n  1,\r\n)  # dtypecheck: ignore[X] y\r\n") == [(1, 3)]
    two = ignores({0: "f()  # dtypecheck: ignore[A] x # dtypecheck: ignore[B, C] see #12\n"}, False)
    assert [(item.words, item.reason) for item in two] == [(("A",), "x"), (("B", "C"), "see #12")]


# rules, names, prefixes


@pytest.mark.parametrize("words", ["DT207", "dt207", "DT2", "DT", "bf16-to-numpy", "bf16-to-numpy,DT207"])
def test_a_code_a_prefix_and_a_name_mute_alike(place: Path, words: str) -> None:
    assert said(found(f"x = {BAD}  # dtypecheck: ignore[{words}] why")) == [("DT207", 2, "why")]


def test_of_several_rules_those_that_mute_nothing_are_told(place: Path) -> None:
    findings = found(f"x = {BAD}  # dtypecheck: ignore[DT207, DT202, DT999] why")
    assert said(findings) == [("DT015", 2, None), ("DT015", 2, None), ("DT207", 2, "why")]
    first, second = sorted(finding.message for finding in findings[:2])
    assert first.startswith("no rule is called 'DT999'; the nearest is DT")
    assert second == "the ignore of DT202 mutes nothing"
    assert len({finding.fingerprint for finding in findings}) == 3


def test_an_unknown_rule_is_told_with_the_nearest(place: Path) -> None:
    notes = [finding for finding in found(f"x = {BAD}  # dtypecheck: ignore[bf16-to-numpi] why") if finding.code == "DT015"]
    assert [note.message for note in notes] == ["no rule is called 'bf16-to-numpi'; the nearest is bf16-to-numpy"]


def test_a_rule_that_never_looks_at_scripts_is_told(place: Path) -> None:
    notes = [finding for finding in found(f"x = {BAD}  # dtypecheck: ignore[DT102] why") if finding.code == "DT015"]
    assert [note.message for note in notes] == ["DT102 says nothing about scripts: this ignore mutes nothing"]


# the reason


@pytest.mark.parametrize("reason", ["", "  ", ":", " - ", "# noqa", "  # type: ignore"])
def test_an_ignore_without_a_reason_mutes_nothing_and_is_told(place: Path, reason: str) -> None:
    findings = found(f"x = {BAD}  # dtypecheck: ignore[DT207]{reason}")
    assert said(findings) == [("DT016", 2, None), ("DT207", 2, None)]
    assert findings[0].severity == "note"
    assert "DT207 gives no reason" in findings[0].message


@pytest.mark.parametrize(
    "comment", ["# dtypecheck: ignore", "# dtypecheck: ignore[] why", "# dtypecheck: ignore because I say so"]
)
def test_an_ignore_of_everything_mutes_nothing_and_is_told(place: Path, comment: str) -> None:
    findings = found(f"x = {BAD}  {comment}")
    assert said(findings) == [("DT016", 2, None), ("DT207", 2, None)]
    assert "names no rule" in findings[0].message


# only where the rule could have fired


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


def notes(*words: str) -> list[str]:
    run("scan", *words[:-1], "-o", "r.json", words[-1])
    return [item["code"] for item in json.loads(Path("r.json").read_text())["findings"] if item["name"] == "unused-ignore"]


def test_an_ignore_of_a_rule_that_is_not_selected_is_not_called_unused(place: Path) -> None:
    Path("s.py").write_text("import torch\nx = torch.float16  # dtypecheck: ignore[DT207] why\n")
    assert notes("s.py") == ["DT015"]
    assert notes("--select", "DT202,DT015", "s.py") == []
    assert notes("--ignore", "DT207", "s.py") == []
    assert notes("--select", "DT207,DT015", "s.py") == ["DT015"]
    assert notes("--select", "DT207", "s.py") == []


def test_an_ignore_of_a_prefix_is_unused_only_where_all_of_it_is_selected(place: Path) -> None:
    Path("s.py").write_text("import torch\nx = torch.float16  # dtypecheck: ignore[DT2] why\n")
    assert notes("s.py") == ["DT015"]
    assert notes("--ignore", "DT202", "s.py") == []


def test_a_rule_is_unused_only_where_what_its_examples_need_was_asked_for(place: Path) -> None:
    Path("dtypecheck.toml").write_text('[[ignore]]\nrules = ["device-lacks-dtype"]\nreason = "a"\n')
    lay_out_vae(place / "vae")
    assert notes("vae") == notes("--dtype", "float16", "vae") == notes("--device", "t4", "vae") == []
    assert notes("--dtype", "float16", "--device", "t4", "vae") == ["DT015"]


def test_an_ignore_of_numbers_or_runs_is_unused_only_where_these_were_looked_at(place: Path) -> None:
    Path("dtypecheck.toml").write_text('[[ignore]]\nrules = ["weights-not-finite", "run-crashes"]\nreason = "a"\n')
    lay_out_vae(place / "vae")
    assert notes("vae") == []
    assert notes("--values", "quick", "vae") == ["DT015"]


def lay_out_vae(folder: Path) -> None:
    files = lay_out("""
        config.json: {"_class_name": "AutoencoderKL"}
        diffusion_pytorch_model.safetensors: decoder.conv_in.weight F32 4x4 = 1
        """).files
    folder.mkdir()
    for entry in files.entries():
        (folder / entry.name).write_bytes(files.read(entry.name))


def test_an_ignore_in_a_script_that_has_nothing_to_do_with_dtypes_is_not_looked_at(place: Path) -> None:
    Path("s.py").write_text("x = 1  # dtypecheck: ignore[DT207] why\n")
    assert notes("s.py") == []


# notebooks


def notebook(*cells: str) -> None:
    data = {"cells": [{"cell_type": "code", "source": text.splitlines(keepends=True)} for text in cells]}
    Path("n.ipynb").write_text(json.dumps({**data, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))


def test_in_a_notebook_a_comment_covers_its_own_cell(place: Path) -> None:
    notebook("import torch\n", f"%time x = 1\n!pip install x # dtypecheck: ignore[DT207] no comment\ny = {BAD}\n")
    assert {(f.code, f.where.at, f.muted) for f in scan_paths([Path("n.ipynb")]).findings} == {("DT207", "cell 2", None)}
    notebook("import torch\n", f"!ls\n# dtypecheck: ignore[DT207] why\ny = {BAD}\n", f"\n\ny = {BAD}\n")
    assert {(f.code, f.where.at, f.muted) for f in scan_paths([Path("n.ipynb")]).findings} == {
        ("DT207", "cell 2", "why"),
        ("DT207", "cell 3", None),
    }


def test_an_unused_ignore_of_a_notebook_says_the_cell(place: Path) -> None:
    notebook("import torch\nx = torch.float16\n", "# dtypecheck: ignore[DT207] why\nx = 1\n")
    (note,) = scan_paths([Path("n.ipynb")]).findings
    assert (note.code, note.where.at, note.where.line) == ("DT015", "cell 2", 1)
    assert ignores({2: "# dtypecheck: ignore[X] y\nx\n"}, True) == (Ignore(("X",), "y", 1, 2, 2, 2),)


# the settings


def settings(text: str) -> None:
    Path("dtypecheck.toml").write_text(text)


def of_report() -> dict[str, list[tuple[str | None, str | None, int | None]]]:
    made: dict[str, list[tuple[str | None, str | None, int | None]]] = {}
    for item in json.loads(Path("r.json").read_text())["findings"]:
        made.setdefault(item["code"], []).append((item["muted"], item["path"], item["line"]))
    return made


def test_an_ignore_of_the_settings_mutes_by_the_path_reported_or_that_from_its_file(place: Path) -> None:
    Path("tools").mkdir()
    Path("tools/s.py").write_text(f"import torch\nx = {BAD}\n")
    for glob in ("tools/s.py", "tools/*", "tools", "*.py", "**/s.py"):
        settings(f'[[ignore]]\nrules = ["DT207"]\npath = "{glob}"\nreason = "known"\n')
        assert run("scan", "-o", "r.json", "tools/s.py") == 0, glob
        assert of_report() == {"DT207": [("known", "tools/s.py", 2)]}
        assert run("scan", "-o", "r.json", "tools") == 0, glob
        assert of_report() == {"DT207": [("known", "s.py", 2)]}


def test_an_ignore_of_the_settings_that_mutes_nothing_is_told_with_its_line(place: Path) -> None:
    Path("s.py").write_text(f"import torch\nx = {BAD}\n")
    settings(
        'fail-on = "error"\n[[ignore]]\nrules = ["DT207"]\nreason = "a"\n\n[[ignore]]\nrules = ["DT202", "DT4"]\nreason = "b"\n'
    )
    assert run("scan", "-o", "r.json", "s.py") == 0
    assert of_report() == {"DT207": [("a", "s.py", 2)], "DT015": [(None, "dtypecheck.toml", 6)]}


def test_an_ignore_of_the_settings_for_other_paths_is_not_called_unused(place: Path) -> None:
    Path("s.py").write_text("import torch\nx = torch.float16\n")
    settings('[[ignore]]\nrules = ["DT207"]\npath = "models/*"\nreason = "a"\n')
    run("scan", "-o", "r.json", "s.py")
    assert of_report() == {}
    settings('[[ignore]]\nrules = ["DT207"]\nreason = "a"\n')
    run("scan", "-o", "r.json", "s.py")
    assert list(of_report()) == ["DT015"]
    run("scan", "--ignore", "DT207", "-o", "r.json", "s.py")
    assert of_report() == {}


def test_an_unknown_rule_in_the_settings_is_wrong_use(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.py").write_text(f"import torch\nx = {BAD}\n")
    settings('[[ignore]]\nrules = ["bf16-to-numpi"]\nreason = "a"\n')
    assert run("scan", "s.py") == 2
    assert "the nearest is bf16-to-numpy" in capsys.readouterr().err


# paths


def test_an_override_selects_and_ignores_rules_in_its_paths_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "s.py").write_text(f"import torch\nx = {BAD}\n")
    settings('[[overrides]]\npath = "a"\nignore = ["DT207"]\n')
    run("scan", "-o", "r.json", "a", "b")
    assert of_report() == {"DT207": [(None, "b/s.py", 2)]}
    settings('select = ["DT1"]\n[[overrides]]\npath = "a"\nextend-select = ["DT207"]\n')
    run("scan", "-o", "r.json", "a", "b")
    assert of_report() == {"DT207": [(None, "a/s.py", 2)]}
    settings('[[overrides]]\npath = "a"\nselect = ["DT1"]\n')
    run("scan", "-o", "r.json", "a", "b")
    assert of_report() == {"DT207": [(None, "b/s.py", 2)]}
    assert run("scan", "--select", "DT207", "-o", "r.json", "a") == 1
    settings('[[overrides]]\npath = "nowhere"\nselect = ["DT999"]\n')
    assert run("scan", "a") == 2
    assert "no rule is called 'DT999'" in capsys.readouterr().err


def test_an_override_asks_for_its_own_device_where_several_targets_are_looked_at(place: Path) -> None:
    load = "FluxPipeline.from_pretrained('x', torch_dtype=torch.bfloat16)"
    for name in ("a", "b"):
        Path(f"{name}.py").write_text(f"import torch\nfrom diffusers import FluxPipeline\npipe = {load}\n")
    settings('[[overrides]]\npath = "a.py"\ndevice = "t4"\n')
    run("scan", "-o", "r.json", "b.py", "a.py")
    assert [path for _, path, _ in of_report()["DT225"]] == ["a.py"]
    run("scan", "--device", "a100", "-o", "r.json", "b.py", "a.py")
    assert "DT225" not in of_report()


def test_settings_inside_a_model_decide_nothing_also_when_the_command_runs_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = place / "model"
    model.mkdir()
    (model / "model_index.json").write_text('{"_class_name": "X"}')
    (model / "serve.py").write_text(f"import torch\nx = {BAD}\n")
    (model / "pyproject.toml").write_text('[tool.dtypecheck]\nignore = ["DT"]\nfail-on = "never"\n')
    assert run("scan", "model") == 1
    assert capsys.readouterr().err == ""
    monkeypatch.chdir(model)
    for target in (".", "serve.py", str(model)):
        assert run("scan", target) == 1
        assert "pyproject.toml is part of a model and is not read" in capsys.readouterr().err
    assert run("scan", "--config", "pyproject.toml", ".") == 0


def test_a_gate_asks_for_each_target_what_the_settings_say(place: Path) -> None:
    for name in ("a", "b"):
        lay_out_vae(place / name)
    settings('dtype = "float16"\n[[overrides]]\npath = "b"\ndtype = "bfloat16"\n')
    run("gate", "--no-rehearse", "-o", "r.json", "a", "b")
    assert loaded() == {"a": {"F16"}, "b": {"BF16"}}
    run("scan", "-o", "r.json", "a", "b")
    assert loaded() == {"a": {"F16"}, "b": {"BF16"}}
    run("scan", "--dtype", "float32", "-o", "r.json", "a", "b")
    assert loaded() == {"a": {"F32"}, "b": {"F32"}}
    run("scan", "-o", "r.json", "b")
    assert loaded() == {".": {"BF16"}}


def loaded() -> dict[str, set[str]]:
    pipelines = json.loads(Path("r.json").read_text())["pipelines"]
    return {pipeline["path"]: {part["dtype"] for part in pipeline["components"]} for pipeline in pipelines}


# what a fix does about them


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit):
        main(["fix", *words, "--output-format", "json"])
    made: dict[str, Any] = json.loads(capsys.readouterr().out)["fix"]
    return made


WORD = 'from diffusers import FluxPipeline\npipe = FluxPipeline.from_pretrained("x", torch_dtype="bfloat16")\npipe("a")\n'
"""What DT202 is about, which an edit mends."""


def test_a_finding_that_the_settings_mute_gets_no_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.py").write_text(WORD)
    assert [step["codes"] for step in plan(capsys, "s.py")["steps"]] == [["DT202"]]
    Path("dtypecheck.toml").write_text('[[ignore]]\nrules = ["DT202"]\npath = "s.py"\nreason = "why"\n')
    muted = plan(capsys, "s.py")
    assert (muted["steps"], muted["refused"]) == ([], [])
    Path("dtypecheck.toml").write_text('[[ignore]]\nrules = ["DT202"]\npath = "other.py"\nreason = "why"\n')
    assert plan(capsys, "s.py")["steps"]


def test_a_finding_that_the_baseline_knows_gets_no_step_and_a_second_one_does(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.py").write_text(WORD)
    with pytest.raises(SystemExit):
        main(["scan", "--baseline", "b.json", "--write-baseline", "s.py"])
    capsys.readouterr()
    assert plan(capsys, "s.py", "--baseline", "b.json")["steps"] == []
    Path("s.py").write_text(WORD + WORD.replace('"x"', '"y"'))
    (step,) = plan(capsys, "s.py", "--baseline", "b.json")["steps"]
    assert "line 5" in step["change"] or "line 5" in json.dumps(step)


def test_a_model_whose_finding_is_ignored_gets_no_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = lay_out(
        'm/config.json: {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "dtype": "float16"}\n'
        "m/model.safetensors: text_model.final_layer_norm.weight F32 8\n"
    )
    for entry in example.files.entries():
        path = place / entry.name
        path.parent.mkdir(exist_ok=True)
        content = example.files.read(entry.name)
        path.write_bytes(content + bytes(entry.size - len(content)))
    assert plan(capsys, "m")["steps"]
    assert plan(capsys, "m", "--ignore", "DT102,DT111")["steps"] == []


# what a run shows at a line of the script


def crash(line: int | None, path: str = "s.py") -> Finding:
    against = Where(path, line=line) if line else None
    return Finding("DT301", "run-crashes", "error", Where("model/vae/config.json", "vae"), "it crashes", against)


@pytest.mark.parametrize(
    ("comment", "finding", "muted"),
    [
        ("# dtypecheck: ignore[DT301] known", crash(2), "known"),
        ("# dtypecheck: ignore[run-crashes] known", crash(2), "known"),
        ("# dtypecheck: ignore[DT301]", crash(2), None),
        ("# dtypecheck: ignore[DT302] known", crash(2), None),
        ("# dtypecheck: ignore[DT301] known", crash(1), None),
        ("# dtypecheck: ignore[DT301] known", crash(None), None),
        ("# dtypecheck: ignore[DT301] known", crash(2, "other.py"), None),
        ("# dtypecheck: ignore[DT201] known", replace(crash(2), code="DT201"), None),
    ],
)
def test_a_comment_mutes_what_a_run_shows_at_its_line(place: Path, comment: str, finding: Finding, muted: str | None) -> None:
    Path("s.py").write_text(f"import lib\nlib.main()  {comment}\n")
    (after,) = commented(Report((finding,)), Path("s.py")).findings
    assert (after.muted, after.muted_by) == (muted, "source" if muted else None)


def test_a_scan_does_not_call_a_comment_unused_that_is_about_runs(place: Path) -> None:
    assert said(found(f"x = {BAD}  # dtypecheck: ignore[DT207, DT301] why")) == [("DT207", 2, "why")]


# what is put into a notebook


def test_a_baseline_of_a_notebook_survives_a_cell_that_is_put_in_before(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def notebook(*cells: str) -> str:
        return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4})

    def told(*words: str) -> list[tuple[str, str | None]]:
        with pytest.raises(SystemExit):
            main(["scan", "--baseline", "b.json", *words, "--output-format", "json", "."])
        findings = json.loads(capsys.readouterr().out)["findings"]
        return [(finding["at"], finding["muted"]) for finding in findings if finding["code"] == "DT207"]

    Path("n.ipynb").write_text(notebook(f"import torch\nx = {BAD}"))
    told("--write-baseline")
    Path("n.ipynb").write_text(notebook("print(1)", f"import torch\nx = {BAD}"))
    assert told() == [("cell 2", "baseline")]
    Path("n.ipynb").write_text(notebook("print(1)", f"import torch\nx = {BAD}", f"x = {BAD}"))
    assert told() == [("cell 2", "baseline"), ("cell 3", None)]
