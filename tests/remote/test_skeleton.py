"""Skeletons: folders of settings and headers that scan like the model that they were made of, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dtypecheck.api import fix, scan
from dtypecheck.files import Entry
from dtypecheck.fixing.refusal import Refusal
from dtypecheck.knowledge import Knowledge
from dtypecheck.remote.fetched import Fetched
from dtypecheck.remote.kept import NOTE
from dtypecheck.remote.skeleton import save
from dtypecheck.render.json import document
from dtypecheck.report import Report
from dtypecheck.request import NothingThere, WrongUse
from tests.remote.hub import COMMIT, FakeHub, Fault, oid
from tests.test_cli import run
from tests.test_expected import CASES

PINNED = ("diffusers==0.42.1", "transformers==5.23.0")


def told(report: Report) -> list[tuple[str, str, str, str]]:
    return [(f.code, f.where.path, f.message, f.fingerprint) for f in report.findings]


def test_a_skeleton_scans_like_the_repository_without_asking_anybody(hub: FakeHub, small: Path) -> None:
    far = scan("our/small", skeleton="kept")
    asked = hub.requests
    near = scan("kept")
    assert hub.requests == asked
    assert told(near) == told(far) == told(scan(small))
    assert near.seen == far.seen
    made, before = document(near), document(far)
    assert made["files"] == before["files"]
    assert made["pipelines"][0]["source"] == {"target": "our/small", "kind": "hub", "revision": COMMIT, "skeleton": True}
    assert {file["sha256"] for file in made["files"]} == {oid(file["path"]) for file in made["files"]}


def test_its_weight_files_have_their_true_size_and_take_no_room(hub: FakeHub, small: Path) -> None:
    scan("our/small", skeleton="kept")
    name = "unet/diffusion_pytorch_model.safetensors"
    assert Path("kept", name).stat().st_size == (small / name).stat().st_size > 1 << 20
    assert sum(path.stat().st_blocks * 512 for path in Path("kept").rglob("*") if path.is_file()) < 200_000
    rows = json.loads(Path("kept", NOTE).read_text())["files"]
    assert rows[name] == {"bytes": (small / name).stat().st_size, "sha256": oid(name), "hollow": True}
    assert rows["model_index.json"]["hollow"] is False


@pytest.mark.parametrize("name", CASES)
def test_every_fixture_has_a_skeleton_that_scans_like_it(name: str, cases: Path) -> None:
    out = Path("kept")
    first = scan(cases / name, dtype="float16", libraries=PINNED, skeleton=out)
    again = scan(out, dtype="float16", libraries=PINNED)
    assert told(again) == told(first)
    assert [file.path for file in again.files] == [file.path for file in first.files]


def test_words_of_tokenizers_and_scripts_are_kept_whole_and_pictures_are_not(hub: FakeHub, small: Path) -> None:
    (small / "tokenizer").mkdir()
    (small / "tokenizer/merges.txt").write_text("a b\n" * 9000)
    (small / "cat.png").write_bytes(b"x" * 100)
    scan("our/small", skeleton="kept")
    assert Path("kept/tokenizer/merges.txt").read_text() == "a b\n" * 9000
    assert not Path("kept/cat.png").exists()


def test_numbers_of_a_skeleton_are_not_judged(hub: FakeHub) -> None:
    scan("our/small", skeleton="kept")
    report = scan("kept", values="full")
    assert [finding.code for finding in report.findings if finding.code.startswith("DT4")] == []
    unread = [why for survey in report.values for values in survey.values for one in values.sets for _, why in one.unread]
    assert unread
    assert set(unread) == {"a skeleton, of a header alone"}


def test_a_skeleton_is_not_fixed(hub: FakeHub) -> None:
    scan("our/small", skeleton="kept")
    with pytest.raises(Refusal, match="kept: a skeleton has no numbers to fix"):
        fix("kept", dtype="float16")


def test_a_skeleton_goes_into_a_new_or_an_empty_folder_only(hub: FakeHub, tmp_path: Path) -> None:
    Path("full").mkdir()
    Path("full/mine").write_text("mine")
    Path("file").write_text("")
    Path("link").symlink_to("full")
    for out, why in (("full", "not empty"), ("file", "no folder"), ("link", "no folder"), ("no/where", "there is no folder no")):
        with pytest.raises(WrongUse, match=why):
            scan("our/small", skeleton=out)
    assert hub.requests == 0
    assert sorted(path.name for path in Path("full").iterdir()) == ["mine"]
    Path("empty").mkdir()
    scan("our/small", skeleton="empty")
    assert Path("empty/model_index.json").is_file()


def test_what_cannot_be_kept_whole_leaves_nothing_behind(hub: FakeHub, small: Path) -> None:
    hub.faults = {"cdn .*unet": [Fault(cut=20)] * 99}
    with pytest.raises(NothingThere, match="cuts the connection"):
        scan("our/small", skeleton="kept")
    assert list(Path().iterdir()) == []


def test_names_that_lead_out_of_the_folder_are_not_written(tmp_path: Path) -> None:
    names = ("../out.json", "/etc/out.json", "a/../../out.json", "config.json")
    files = Fetched("x", tuple(Entry(name, 2, name) for name in names), lambda name, start, stop: b"{}"[start:stop])
    assert save(files, Knowledge(), Path("kept")) == 1
    assert sorted(path.name for path in Path("kept").iterdir()) == ["config.json", NOTE]
    assert sorted(path.name for path in Path().iterdir()) == ["kept"]


def test_a_place_without_a_model_has_no_skeleton() -> None:
    Path("none").mkdir()
    with pytest.raises(NothingThere, match="no model in it"):
        scan("none", skeleton="kept")
    assert not Path("kept").exists()


def test_only_one_model_is_kept(small: Path) -> None:
    Path("s.py").write_text("")
    for words in (["s.py"], [str(small), str(small.parent)]):
        done = run("scan", "--save-skeleton", "kept", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "keeps one model" in done.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"dtypecheck_skeleton": 1, "files": 3}', '{"dtypecheck_skeleton": 1, "source": {"kind": "hub"}}']
)
def test_a_note_that_says_nothing_is_no_matter(small: Path, text: str) -> None:
    plain = told(scan(small))
    (small / NOTE).write_text(text)
    assert told(scan(small)) == plain
    assert document(scan(small))["pipelines"][0]["source"] is None


def test_the_command_line_keeps_one_and_gates_it_without_a_network(hub: FakeHub) -> None:
    done = run("scan", "our/small", "--save-skeleton", "kept", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    asked = hub.requests
    direct = run("gate", "our/small", "--no-rehearse", "--offline")
    kept = run("gate", "kept", "--no-rehearse", "--offline")
    assert direct.returncode == 3
    assert kept.returncode == 0
    assert "not proven" in kept.stdout
    assert hub.requests == asked


def test_a_gate_of_a_name_names_it_and_leaves_nothing_behind(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "room").mkdir()
    done = run("gate", "our/small", "--no-rehearse", "--output-format", "json", TMPDIR=str(tmp_path / "room"))
    assert done.returncode == 0
    made = json.loads(done.stdout)
    assert [pipeline["path"] for pipeline in made["pipelines"]] == ["our/small"]
    assert made["pipelines"][0]["source"]["revision"] == COMMIT
    assert "room" not in done.stdout
    assert list((tmp_path / "room").iterdir()) == []


def test_a_gate_knows_which_target_a_script_loads(hub: FakeHub) -> None:
    Path("s.py").write_text(
        "import torch\nfrom diffusers import StableDiffusionPipeline\n"
        'pipe = StableDiffusionPipeline.from_pretrained("our/small", torch_dtype=torch.float16)\npipe("a cat")\n'
    )
    done = run("gate", "our/small", "s.py", "--no-rehearse")
    assert "was not seen" not in done.stdout
    alone = run("gate", "s.py", "--no-rehearse")
    assert "our/small, which a script loads, was not seen" in alone.stdout


def test_adapters_and_models_of_scripts_may_be_names_of_the_hub(hub: FakeHub, small: Path, cases: Path) -> None:
    hub.repos["our/lora"] = cases / "lora-sdxl"
    near = run("scan", cases / "sdxl", "--adapter", cases / "lora-sdxl", "--dtype", "float16")
    far = run("scan", cases / "sdxl", "--adapter", "our/lora", "--dtype", "float16")
    assert (far.returncode, far.stdout) == (near.returncode, near.stdout)
    assert any("/our/lora/resolve/" in one.path for one in hub.asked)
    Path("s.py").write_text('from diffusers import DiffusionPipeline\npipe = DiffusionPipeline.from_pretrained("x")\npipe("a")\n')
    asked = hub.requests
    done = run("scan", "--model", "x=our/small", "s.py")
    assert done.returncode in (0, 1)
    assert hub.requests > asked
    assert run("scan", "--adapter", "no/such/file", str(small)).returncode == 2


@pytest.mark.slow
def test_a_rehearsal_of_a_name_is_that_of_its_folder(hub: FakeHub, cases: Path) -> None:
    hub.repos["our/sdxl"] = cases / "sdxl"
    far = run("rehearse", "our/sdxl", "--dtype", "float16,vae=float32", "--output-format", "json")
    near = run("rehearse", cases / "sdxl", "--dtype", "float16,vae=float32", "--output-format", "json")
    assert far.returncode == near.returncode == 1
    assert json.loads(far.stdout)["rehearsal"] == json.loads(near.stdout)["rehearsal"]
    assert "dtypecheck-" not in far.stdout
