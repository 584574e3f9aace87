"""The baseline: what is known is muted until it is gone, whatever lines move; what is gone is told; the file is whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dtypecheck.cli import main
from dtypecheck.policy.baseline import Baseline, Entry, read_baseline, text_of
from dtypecheck.request import WrongUse
from dtypecheck.testing import lay_out

BAD = "torch.randn(2).bfloat16().numpy()"
OTHER = "torch.randn(3).bfloat16().numpy()"
NAME = "dtypecheck.baseline.json"
Found = dict[str, list[tuple[str | None, str]]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(place: Path) -> Callable[..., int]:
    """The command line in the working directory; its report goes to r.json."""

    def run(verb: str, *words: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main([verb, "-o", "r.json", *words])
        return int(caught.value.code or 0)

    return run


def script(*lines: str, name: str = "s.py") -> None:
    Path(name).write_text("\n".join(("import torch", *lines, "")))


def reported() -> Found:
    made: Found = {}
    for item in json.loads(Path("r.json").read_text())["findings"]:
        made.setdefault(item["code"], []).append((item["muted"], item["path"]))
    return made


def written(path: str = NAME) -> list[tuple[str, str]]:
    return [(item["path"], item["code"]) for item in json.loads(Path(path).read_text())["findings"]]


def model(folder: Path, text: str) -> None:
    files = lay_out(text).files
    for entry in files.entries():
        (folder / entry.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / entry.name).write_bytes(files.read(entry.name))


BROKEN = 'config.json: {"_class_name": "AutoencoderKL"}\ndiffusion_pytorch_model.safetensors: a.weight F16 4x4 | cut 8'
WHOLE = 'config.json: {"_class_name": "AutoencoderKL"}\ndiffusion_pytorch_model.safetensors: a.weight F16 4x4'


# what must be left alone


def test_a_baseline_that_lies_there_and_is_not_named_mutes_nothing(run: Callable[..., int]) -> None:
    script(f"x = {BAD}")
    assert run("scan", "--write-baseline", "s.py") == 0
    assert Path(NAME).exists()
    assert run("scan", "s.py") == 1


def test_a_scan_that_knows_nothing_yet_is_the_same_as_one_without(run: Callable[..., int]) -> None:
    script(f"x = {BAD}")
    assert run("scan", "s.py") == 1
    without = Path("r.json").read_bytes()
    Path("b.json").write_text('{"version": 1, "findings": []}')
    assert run("scan", "--baseline", "b.json", "s.py") == 1
    assert Path("r.json").read_bytes() == without


# muting


def test_what_is_in_the_baseline_is_muted_and_still_in_the_report(run: Callable[..., int]) -> None:
    script(f"x = {BAD}")
    assert run("scan", "--write-baseline", "--baseline", "b.json", "s.py") == 0
    assert reported() == {"DT207": [("baseline", "s.py")]}
    assert run("scan", "--baseline", "b.json", "s.py") == 0
    assert reported() == {"DT207": [("baseline", "s.py")]}


def test_what_is_new_counts(run: Callable[..., int]) -> None:
    script(f"x = {BAD}")
    run("scan", "--write-baseline", "s.py")
    script(f"x = {BAD}", f"y = {OTHER}")
    assert run("scan", "--baseline", NAME, "s.py") == 1
    assert sorted(reported()["DT207"], key=str) == [("baseline", "s.py"), (None, "s.py")]


def test_lines_that_move_and_blanks_that_change_keep_a_finding_known(run: Callable[..., int]) -> None:
    script(f"x = {BAD}", "def f():", f"    return {OTHER}", "f()")
    run("scan", "--write-baseline", "s.py")
    known = Path(NAME).read_bytes()
    script(
        "import os", "", "# a comment", "def f():", "    if os.name:", f"        return {OTHER}", "f()", "", f"x = {BAD}  # moved"
    )
    assert run("scan", "--baseline", NAME, "s.py") == 0
    assert reported() == {"DT207": [("baseline", "s.py")] * 2}
    run("scan", "--write-baseline", "--baseline", NAME, "s.py")
    assert Path(NAME).read_bytes() == known


def test_of_two_equal_lines_one_more_is_new_and_one_less_is_stale(run: Callable[..., int]) -> None:
    script(f"x = {BAD}", f"y = {BAD}")
    run("scan", "--write-baseline", "s.py")
    script(f"x = {BAD}", f"y = {BAD}", f"z = {BAD}")
    assert run("scan", "--baseline", NAME, "s.py") == 1
    assert [muted for muted, _ in reported()["DT207"]].count(None) == 1
    script(f"x = {BAD}")
    assert run("scan", "--baseline", NAME, "s.py") == 0
    assert reported() == {"DT207": [("baseline", "s.py")], "DT017": [(None, NAME)]}


def test_a_comment_and_the_settings_come_before_the_baseline(run: Callable[..., int]) -> None:
    script(f"x = {BAD}")
    run("scan", "--write-baseline", "s.py")
    script(f"x = {BAD}  # dtypecheck: ignore[DT207] why")
    run("scan", "--baseline", NAME, "s.py")
    assert reported() == {"DT207": [("why", "s.py")]}
    run("scan", "--write-baseline", "--baseline", NAME, "s.py")
    assert written() == []


# where things lie


def test_another_model_with_the_same_fault_is_not_known(run: Callable[..., int]) -> None:
    model(Path("a"), BROKEN)
    run("scan", "--write-baseline", "a")
    assert written() == [("a/diffusion_pytorch_model.safetensors", "DT003")]
    model(Path("b"), BROKEN)
    assert run("scan", "--baseline", NAME, "a") == 0
    assert run("scan", "--baseline", NAME, "b") == 1
    assert run("scan", "--baseline", NAME, "a", "b") == 1
    assert sorted(reported()["DT003"], key=str) == [
        ("baseline", "a/diffusion_pytorch_model.safetensors"),
        (None, "b/diffusion_pytorch_model.safetensors"),
    ]


def test_a_model_that_was_moved_is_still_known(run: Callable[..., int]) -> None:
    model(Path("a"), BROKEN)
    run("scan", "--write-baseline", "a")
    Path("elsewhere").mkdir()
    Path("a").rename("elsewhere/c")
    assert run("scan", "--baseline", NAME, "elsewhere/c") == 0
    assert reported()["DT003"] == [("baseline", "diffusion_pytorch_model.safetensors")]


def test_the_same_files_are_known_from_any_folder_and_with_other_targets(
    run: Callable[..., int], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(place / "models" / "a", BROKEN)
    model(place / "models" / "b", WHOLE)
    run("scan", "--write-baseline", "models/a")
    assert run("scan", "--baseline", NAME, "models/a", "models/b") == 0
    assert run("scan", "--baseline", NAME, str(place / "models" / "a" / "diffusion_pytorch_model.safetensors")) == 0
    monkeypatch.chdir(place / "models" / "b")
    assert run("scan", "--baseline", f"../../{NAME}", "../a") == 0
    assert run("scan", "--baseline", str(place / NAME), "../a", ".") == 0


def test_the_gate_knows_what_a_scan_wrote(run: Callable[..., int]) -> None:
    model(Path("m/a"), BROKEN)
    assert run("gate", "--no-rehearse", "m/a") == 1
    run("scan", "--write-baseline", "m/a")
    run("gate", "--no-rehearse", "--baseline", NAME, "m/a")
    assert reported()["DT003"] == [("baseline", "m/a/diffusion_pytorch_model.safetensors")]


# what is gone


def test_a_mended_fault_is_told_with_its_line_and_dropped_when_the_baseline_is_written(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    script(f"a = {OTHER}", f"x = {BAD}")
    run("scan", "--write-baseline", "s.py")
    script(f"a = {OTHER}")
    assert run("scan", "--baseline", NAME, "s.py") == 0
    (note,) = [item for item in json.loads(Path("r.json").read_text())["findings"] if item["code"] == "DT017"]
    assert note["severity"] == "note"
    assert BAD not in note["message"]
    assert note["path"] == NAME
    gone = Path(NAME).read_text().splitlines()[note["line"] - 1]
    assert "DT207 of s.py is in the baseline and is not found any more" in note["message"]
    assert '"code": "DT207"' in gone
    capsys.readouterr()
    run("scan", "--write-baseline", "--baseline", NAME, "s.py")
    assert capsys.readouterr().err == f"dtypecheck: {NAME} knows 1 findings (0 new, 1 gone)\n"
    assert gone.rstrip(",") not in Path(NAME).read_text()
    assert run("scan", "--baseline", NAME, "s.py") == 0
    assert list(reported()) == ["DT207"]


@pytest.mark.parametrize(
    "words",
    [
        ("--select", "DT202", "s.py"),
        ("--ignore", "DT207", "s.py"),
        ("--device", "t4", "s.py"),
        ("t.py",),
        ("--ignore", "DT017", "s.py"),
    ],
)
def test_what_was_not_looked_for_is_not_stale_and_stays(run: Callable[..., int], words: tuple[str, ...]) -> None:
    script(f"x = {BAD}")
    script("y = torch.float16", name="t.py")
    run("scan", "--write-baseline", "s.py")
    script("x = torch.float16")
    run("scan", "--baseline", NAME, *words)
    assert "DT017" not in reported()
    if "DT017" not in words:
        before = Path(NAME).read_bytes()
        run("scan", "--write-baseline", "--baseline", NAME, *words)
        assert Path(NAME).read_bytes() == before


def test_two_dtypes_share_a_baseline(run: Callable[..., int]) -> None:
    model(Path("m"), 'config.json: {"_class_name": "AutoencoderKL"}\ndiffusion_pytorch_model.safetensors: a.weight F32 4x4')
    for dtype in ("float16", "bfloat16", "float16"):
        run("scan", "--write-baseline", "--baseline", NAME, "--dtype", dtype, "m")
    for dtype in ("float16", "bfloat16"):
        assert run("scan", "--fail-on", "note", "--baseline", NAME, "--dtype", dtype, "m") == 0
        assert "DT017" not in reported()


def test_a_scan_of_files_says_nothing_of_entries_about_runs_and_numbers(run: Callable[..., int]) -> None:
    model(Path("m"), WHOLE)
    entries = [Entry("m/config.json", code, "0" * 64, "", "x") for code in ("DT301", "DT401", "DT999")]
    Path(NAME).write_text(text_of(Baseline(Path(NAME), tuple(entries))))
    run("scan", "--baseline", NAME, "m")
    assert "DT017" not in reported()
    run("scan", "--values", "quick", "--baseline", NAME, "m")
    assert len(reported()["DT017"]) == 1


# the file


def test_the_file_has_one_sorted_entry_a_line_and_is_the_same_every_time(run: Callable[..., int]) -> None:
    script(f"x = {BAD}", f"y = {OTHER}", name="b.py")
    script(f"x = {BAD}", name="a.py")
    run("scan", "--write-baseline", "b.py", "a.py")
    text = Path(NAME).read_text()
    first, *lines, last = text.splitlines()
    assert (first, last) == ('{"version": 1, "findings": [', "]}")
    assert [json.loads(line.rstrip(","))["path"] for line in lines] == ["a.py", "b.py", "b.py"]
    assert lines == sorted(lines, key=lambda line: [json.loads(line.rstrip(","))[key] for key in ("path", "code", "fingerprint")])
    run("scan", "--write-baseline", "a.py", "b.py")
    assert Path(NAME).read_text() == text
    assert read_baseline(Path(NAME)).entries[0].line == 2


def test_nothing_absolute_stands_in_it(run: Callable[..., int], place: Path) -> None:
    script(f"x = {BAD}")
    run("scan", "--write-baseline", str(place / "s.py"))
    assert str(place) not in Path(NAME).read_text()
    assert written() == [("s.py", "DT207")]


def test_a_baseline_of_the_settings_is_relative_to_their_file(
    run: Callable[..., int], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "deep").mkdir()
    Path("dtypecheck.toml").write_text('baseline = "known.json"\n')
    script(f"x = {BAD}")
    script(f"x = {BAD}", name="deep/s.py")
    assert run("scan", "--write-baseline", "s.py") == 0
    monkeypatch.chdir(place / "deep")
    assert run("scan", "--write-baseline", "s.py") == 0
    assert not Path("known.json").exists()
    assert written("../known.json") == [("deep/s.py", "DT207"), ("s.py", "DT207")]
    assert run("scan", "s.py") == 0
    assert run("scan", "--baseline", "../known.json", "s.py") == 0


# what is wrong with it


def test_a_missing_baseline_is_wrong_use_and_said_before_the_work(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", "--baseline", "gone.json", "nowhere") == 2
    assert capsys.readouterr().err == "dtypecheck: gone.json: there is no such baseline; --write-baseline makes it\n"
    assert not Path("r.json").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is no baseline: Expecting"),
        ("[]", 'it has no list "findings"'),
        ('{"version": 1, "findings": {}}', 'it has no list "findings"'),
        ('{"version": 2, "findings": []}', "of version 2, and only 1"),
        ('{"findings": []}', "of version None"),
        ('{"version": 1, "findings": ["x"]}', "an entry of the baseline wants code, path, fingerprint, message"),
        ('{"version": 1, "findings": [{"code": "DT1"}]}', "an entry of the baseline wants"),
        ("[" * 100_000, "this is no baseline"),
    ],
)
def test_a_broken_baseline_is_named_with_the_cause_and_left_as_it_is(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    script(f"x = {BAD}")
    Path("b.json").write_text(text)
    for more in ((), ("--write-baseline",)):
        assert run("scan", "--baseline", "b.json", *more, "s.py") == 2
        said = capsys.readouterr().err
        assert said.startswith("dtypecheck: b.json: ")
        assert words in said
        assert Path("b.json").read_text() == text


def test_a_baseline_that_is_no_text_is_named(place: Path) -> None:
    Path("b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongUse, match=r"b\.json: this is no baseline"):
        read_baseline(Path("b.json"))


def test_a_baseline_that_cannot_be_written_leaves_the_old_one(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    script(f"x = {BAD}")
    run("scan", "--write-baseline", "s.py")
    before = Path(NAME).read_bytes()
    script(f"x = {BAD}", f"y = {OTHER}")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert run("scan", "--write-baseline", "--baseline", NAME, "s.py") == 2
    assert Path(NAME).read_bytes() == before
    assert [path.name for path in Path().iterdir() if "part" in path.name] == []


@pytest.mark.slow
def test_a_crash_that_is_known_does_not_fail_a_rehearsal(run: Callable[..., int], cases: Path) -> None:
    words = ("--dtype", "float16,vae=float32", str(cases / "sdxl"))
    assert run("rehearse", *words) == 1
    assert run("rehearse", "--write-baseline", *words) == 0
    assert run("rehearse", "--baseline", NAME, *words) == 0
    assert {muted for muted, _ in reported()["DT301"]} == {"baseline"}
    run("scan", "--baseline", NAME, *words)
    assert "DT017" not in reported()
