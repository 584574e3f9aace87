"""Models that are in the Hub's cache already: whole ones ask nobody, of others only the rest is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dtypecheck.api import scan, scan_paths
from dtypecheck.render.json import document
from dtypecheck.request import NothingThere
from tests.remote.hub import COMMIT, FakeHub, oid

OTHER = "f" * 40


def cache(folder: Path, home: Path, *without: str, name: str = "our/small", commit: str = COMMIT) -> Path:
    """A snapshot as the Hub's library lays it out: links into blobs/, and the branch main."""
    place = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / commit
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs/main").write_text(commit)
    (place / "blobs").mkdir(exist_ok=True)
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).as_posix()
        if path.is_dir() or inner in without:
            continue
        blob = place / "blobs" / (oid(inner) if path.suffix == ".safetensors" else oid(inner)[:40])
        shutil.copy(path, blob)
        (snapshot / inner).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / inner).symlink_to(blob)
    return snapshot


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "hf"


def test_a_whole_snapshot_asks_nobody_and_is_named(hub: FakeHub, small: Path, home: Path) -> None:
    cache(small, home)
    made = document(report := scan("our/small"))
    assert hub.requests == 0
    assert made["pipelines"][0]["source"] == {"target": "our/small", "kind": "cache", "revision": COMMIT, "skeleton": False}
    assert {file["sha256"] for file in made["files"]} == {oid(file["path"]) for file in made["files"]}
    assert report.label == "our/small"
    assert scan(f"our/small@{COMMIT}").seen == report.seen
    assert hub.requests == 0


def test_another_revision_than_the_cached_one_is_asked_for(hub: FakeHub, small: Path, home: Path) -> None:
    cache(small, home)
    assert document(scan("our/small@v1"))["pipelines"][0]["source"]["kind"] == "hub"
    assert hub.requests > 0


def test_the_path_of_a_snapshot_is_known_as_one(small: Path, home: Path) -> None:
    source = document(scan(cache(small, home)))["pipelines"][0]["source"]
    assert source == {"target": "our/small", "kind": "cache", "revision": COMMIT, "skeleton": False}


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
def test_the_cache_may_lie_elsewhere(
    hub: FakeHub, small: Path, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache(small, tmp_path / "other")
    monkeypatch.setenv(variable, str(tmp_path / "other/hub"))
    assert scan("our/small").seen["pipelines"] == 1
    assert hub.requests == 0


def test_of_a_partly_filled_cache_only_the_rest_is_asked_for(hub: FakeHub, small: Path, home: Path) -> None:
    cache(small, home, "vae/diffusion_pytorch_model.safetensors")
    report = scan("our/small")
    assert [(f.code, f.message) for f in report.findings] == [(f.code, f.message) for f in scan(small).findings]
    fetched = {one.path for one in hub.asked if "/resolve/" in one.path}
    assert fetched == {f"/our/small/resolve/{COMMIT}/vae/diffusion_pytorch_model.safetensors"}
    assert document(report)["pipelines"][0]["source"]["kind"] == "hub"


def test_offline_a_partly_filled_cache_is_what_there_is(hub: FakeHub, small: Path, home: Path) -> None:
    cache(small, home, "vae/diffusion_pytorch_model.safetensors")
    report = scan("our/small", online=False)
    assert hub.requests == 0
    assert [finding.where.at for finding in report.findings if finding.name == "weights-missing"] == ["/vae"]
    assert document(report)["pipelines"][0]["source"]["kind"] == "cache"


def test_a_partly_filled_cache_stands_in_for_a_hub_that_does_not_answer(
    hub: FakeHub, small: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache(small, home, "vae/diffusion_pytorch_model.safetensors")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert document(scan("our/small"))["pipelines"][0]["source"]["kind"] == "cache"


@pytest.mark.parametrize("text", ["../../../etc", "", "main", OTHER])
def test_a_branch_that_leads_nowhere_is_no_snapshot(hub: FakeHub, small: Path, home: Path, text: str) -> None:
    snapshot = cache(small, home)
    (snapshot.parent.parent / "refs/main").write_text(text)
    with pytest.raises(NothingThere, match="not in the cache"):
        scan("our/small", online=False)


# models that scripts, adapters and --model name

SCRIPT = """\
import torch
from diffusers import StableDiffusionPipeline
pipe = StableDiffusionPipeline.from_pretrained("our/small", torch_dtype=torch.float16)
pipe("a cat")
"""


def test_a_plain_scan_of_a_script_asks_nobody(hub: FakeHub) -> None:
    Path("s.py").write_text(SCRIPT)
    assert scan("s.py").unlinked == ("our/small",)
    assert scan("s.py", online=False).unlinked == ("our/small",)
    assert hub.requests == 0


def test_a_script_s_model_is_asked_for_where_that_is_wanted(hub: FakeHub) -> None:
    Path("s.py").write_text(SCRIPT)
    assert scan("s.py", online=True).unlinked == ()
    assert hub.requests > 0


def test_it_is_asked_for_at_the_revision_that_the_script_asks_for(hub: FakeHub, small: Path) -> None:
    Path("s.py").write_text(SCRIPT.replace('"our/small",', '"our/small", revision="v1",'))
    assert scan("s.py", online=True).unlinked == ()
    assert any("/revision/v1" in one.path for one in hub.asked)
    assert scan_paths(["s.py"], models={"our/small": small}).unlinked == ()
    Path("s.py").write_text(SCRIPT.replace('"our/small",', '"our/small", revision="gone",'))
    assert scan("s.py", online=True).unlinked == ("our/small@gone",)


def test_a_script_s_model_that_cannot_be_had_is_not_known(hub: FakeHub) -> None:
    Path("s.py").write_text(SCRIPT.replace("our/small", "our/nothing"))
    assert scan("s.py", online=True).unlinked == ("our/nothing",)


def test_a_script_s_model_in_the_cache_is_known(hub: FakeHub, small: Path, home: Path) -> None:
    Path("s.py").write_text(SCRIPT)
    cache(small, home, "vae/diffusion_pytorch_model.safetensors")
    assert scan("s.py").unlinked == ("our/small",)
    shutil.rmtree(home)
    cache(small, home)
    assert scan("s.py").unlinked == ()
    assert hub.requests == 0
