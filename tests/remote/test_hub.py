"""Models of the Hub by name: what is asked, what it costs, and what is said where the Hub does not give them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.files import UNREADABLE, Entry
from dtypecheck.remote import fetched
from dtypecheck.remote.http import WINDOW, _retry_after, session
from dtypecheck.remote.hub import Hub, _entry
from dtypecheck.render.json import document
from dtypecheck.report import Report
from dtypecheck.request import NothingThere, WrongUse
from tests.remote.hub import COMMIT, FakeHub, Fault, oid, served
from tests.test_cli import run

PINNED = ("diffusers==0.42.1", "transformers==5.23.0")


def told(report: Report) -> list[tuple[str, str, str, str]]:
    return [(f.code, f.where.path, f.message, f.fingerprint) for f in report.findings]


# what it finds and what that costs


def test_a_repository_is_judged_as_its_folder_is_and_no_more_is_fetched_than_settings_and_headers(
    cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cases / "sdxl"
    needed = 0
    for path in folder.rglob("*"):
        if path.suffix == ".safetensors":
            with path.open("rb") as file:
                needed += 8 + int.from_bytes(file.read(8), "little")
        elif path.is_file():
            needed += path.stat().st_size
    with served({"our/sdxl": folder}, page=1000) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.hub)
        far = scan("our/sdxl", dtype="float16,vae=float32", libraries=PINNED)
        near = scan(folder, dtype="float16,vae=float32", libraries=PINNED)
    assert told(far) == told(near)
    assert far.seen == near.seen
    assert any(finding.code == "DT110" for finding in far.counted)
    assert 0.9 * needed < hub.nbytes <= 1.2 * needed
    weights = sum(path.suffix == ".safetensors" for path in folder.rglob("*"))
    settings = sum(path.suffix == ".json" for path in folder.rglob("*"))
    assert hub.requests <= 2 + settings + 3 * weights  # a commit, a page, and for weights the Hub's redirect and two ranges
    assert all(one.range for one in hub.asked if "safetensors" in one.path)


def test_a_listing_of_many_pages_is_followed_to_its_end(hub: FakeHub, small: Path) -> None:
    hub.page = 1
    assert scan("our/small").seen == scan(small).seen
    assert sum("/tree/" in one.path for one in hub.asked) == len(list(small.rglob("*")))


@pytest.mark.parametrize("name", ["our/small@main", "our/small@v1", f"our/small@{COMMIT}", "hf://our/small@v1"])
def test_the_commit_that_a_revision_means_and_the_hashes_of_weights_stand_in_the_report(hub: FakeHub, name: str) -> None:
    made = document(scan(name))
    assert made["pipelines"][0]["source"] == {"target": "our/small", "kind": "hub", "revision": COMMIT, "skeleton": False}
    hashes = {file["path"]: file["sha256"] for file in made["files"]}
    assert hashes == {path: oid(path) for path in hashes}
    assert len(hashes) == 2
    assert all(f"/{COMMIT}" in one.path for one in hub.asked if "/resolve/" in one.path or "/tree/" in one.path)


def test_a_local_folder_has_no_source(small: Path) -> None:
    made = document(scan(small))
    assert made["pipelines"][0]["source"] is None
    assert {file["sha256"] for file in made["files"]} == {None}


def test_a_local_path_of_the_same_name_comes_first_and_nothing_is_asked(
    hub: FakeHub, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here/our").mkdir()
    small.rename(tmp_path / "here/our/small")
    assert scan("our/small").seen["pipelines"] == 1
    with pytest.raises(WrongUse, match=r"our/other: there is no such file or folder \(hf://our/other asks the Hub\)"):
        scan("our/other")
    assert hub.requests == 0


# the token


def test_the_token_goes_to_the_hub_and_to_no_other_host(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    scan("our/small")
    assert {one.token for one in hub.asked if one.host == "hub"} == {f"Bearer {hub.token}"}
    assert {one.token for one in hub.asked if one.host == "cdn"} == {""}
    assert any(one.host == "cdn" for one in hub.asked)


def test_a_gated_repository_is_told_once_with_what_to_do(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated = frozenset({"our/small"})
    with pytest.raises(NothingThere, match=rf"gated \(HTTP 401\): accept its terms at {hub.hub}/our/small, then set HF_TOKEN"):
        scan("our/small")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert scan("our/small").seen["pipelines"] == 1


def test_a_private_repository_wants_a_token_and_a_wrong_one_is_not_taken(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.private = frozenset({"our/small"})
    with pytest.raises(NothingThere, match=r"our/small: the Hub does not show it without a token .* set HF_TOKEN"):
        scan("our/small")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(NothingThere, match=r"our/small: the Hub does not take the token \(HTTP 401\)"):
        scan("our/small")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert scan("our/small").seen["pipelines"] == 1


def test_a_repository_or_revision_that_is_not_there_is_wrong_use(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongUse, match=r"our/small: there is no revision 'v9' \(HTTP 404\)"):
        scan("our/small@v9")
    monkeypatch.setenv("HF_TOKEN", hub.token)
    with pytest.raises(WrongUse, match=r"our/nothing: there is no such model on .* \(HTTP 404\), nor a file or folder here"):
        scan("our/nothing")


# a bad day of the network


@pytest.mark.parametrize("where", ["hub /api/.*revision", "hub /api/.*tree", "hub /our/.*config", "cdn .*unet"])
@pytest.mark.parametrize("fault", [Fault(429, {"Retry-After": "0"}), Fault(503), Fault(502)], ids=lambda fault: str(fault.status))
def test_a_busy_server_is_asked_again(hub: FakeHub, small: Path, where: str, fault: Fault) -> None:
    hub.faults = {where: [fault, fault]}
    report = scan("our/small")
    assert report.seen == scan(small).seen
    assert told(report) == told(scan(small))
    assert [one.status for one in hub.asked].count(fault.status) == 2


def test_a_server_that_asks_to_wait_for_long_is_not_waited_for(hub: FakeHub) -> None:
    hub.faults = {"hub .*tree": [Fault(429, {"Retry-After": "3600"})]}
    with pytest.raises(NothingThere, match=r"our/small: the Hub is busy: HTTP 429 after one try, and asks to wait 3,600 s"):
        scan("our/small")
    assert [one.status for one in hub.asked].count(429) == 1


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"retry-after": "7"}, 7.0), ({"ratelimit": '"api";r=0;t=55'}, 55.0), ({"ratelimit": '"resolvers";r=12;t=55'}, None),
        ({"retry-after": "7", "ratelimit": '"api";r=0;t=55'}, 7.0), ({}, None), ({"ratelimit": "x"}, None),
    ],
)  # fmt: skip
def test_how_long_a_server_asks_to_wait(told: dict[str, str], seconds: float | None) -> None:
    assert _retry_after(told) == seconds


def test_who_asks_for_thousands_waits_until_the_hub_counts_anew(hub: FakeHub) -> None:
    waits: list[float] = []
    http = session(hub.hub, WINDOW)
    http.sleep = waits.append
    hub.faults = {"hub /api": [Fault(429, {"RateLimit": '"api";r=0;t=290'})]}
    assert Hub(http, "our/small", hub.hub).commit() == COMMIT
    assert waits
    assert 280 < waits[0] <= 290


def test_a_server_that_stays_busy_is_told_of_after_a_few_tries(hub: FakeHub, small: Path) -> None:
    for number in range(9):
        (small / f"unet/{number}.safetensors").write_bytes((small / "vae/diffusion_pytorch_model.safetensors").read_bytes())
    hub.faults = {"cdn ": [Fault(429, {"Retry-After": "0"})] * 1000}
    with pytest.raises(NothingThere, match="the Hub is busy: HTTP 429 after 4 tries; try later"):
        scan("our/small")
    assert sum(one.host == "cdn" for one in hub.asked) <= 8 * 4


def test_a_connection_that_is_cut_is_made_again(hub: FakeHub, small: Path) -> None:
    hub.faults = {"cdn .*unet": [Fault(cut=20)], "hub .*vae/config": [Fault(cut=3)]}
    assert told(scan("our/small")) == told(scan(small))
    assert {one.sent for one in hub.asked} >= {20, 3}


def test_after_a_few_files_that_are_cut_no_further_one_is_tried(hub: FakeHub, small: Path) -> None:
    for number in range(9):
        (small / f"unet/{number}.safetensors").write_bytes((small / "vae/diffusion_pytorch_model.safetensors").read_bytes())
    hub.faults = {"cdn ": [Fault(cut=2)] * 999}
    with pytest.raises(NothingThere, match="4 times"):
        scan("our/small")
    hands, lost_before, files = 8, 2, 11  # the third lost file is the sign
    assert sum(one.host == "cdn" for one in hub.asked) <= (hands + lost_before) * 4 < files * 4


def test_a_file_that_is_cut_every_time_is_one_finding_about_it(hub: FakeHub) -> None:
    hub.faults = {"cdn .*unet": [Fault(cut=20)] * 99}
    (finding,) = [finding for finding in scan("our/small").counted if finding.severity == "error"]
    assert (finding.code, finding.where.path) == ("DT001", "unet/diffusion_pytorch_model.safetensors")
    assert "cuts the connection" in finding.message
    assert "4 times" in finding.message
    assert sum("unet/diff" in one.path and one.host == "cdn" for one in hub.asked) == 4


def test_a_server_without_ranges_is_told_once_and_nothing_is_downloaded(hub: FakeHub, small: Path) -> None:
    hub.ranges = False
    big = small / "unet/diffusion_pytorch_model.safetensors"
    (small / "vae/diffusion_pytorch_model.safetensors").unlink()
    assert big.stat().st_size > 1 << 21
    with pytest.raises(NothingThere, match=r"gives no part of a file \(it ignores Range\).*download it and name its path"):
        scan("our/small")
    end = time.monotonic() + 10
    while not any(one.host == "cdn" for one in hub.asked) and time.monotonic() < end:
        time.sleep(0.01)  # the Hub notes a request when it has answered, and nobody waits for the end of this answer
    assert sum("unet/diff" in one.path and one.host == "cdn" for one in hub.asked) == 1


def test_where_no_server_is_the_address_is_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(NothingThere, match=r"our/small: 127.0.0.1:9 does not answer, .* HF_ENDPOINT"):
        scan("our/small")


def test_a_server_that_is_no_hub_is_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults = {"revision": [Fault(200, cut=0)]}
    hub.repos["our/list"] = Path("missing")
    hub.tree = lambda repo: ["no", {"type": "file", "path": "../../etc/x", "size": 4}]  # type: ignore[assignment,method-assign]
    report = scan("our/list")
    (finding,) = [finding for finding in report.counted if finding.code == "DT001"]
    assert "a name that leads out of the repository" in finding.message


def test_rows_of_a_listing_that_make_no_sense_are_entries_that_cannot_be_read() -> None:
    for row in ({"path": "a/../../b", "size": 1}, {"path": "/etc/passwd", "size": 1}, {"path": 7, "size": 1}):
        assert _entry(row).size == UNREADABLE
    for size in (None, -1, "7", 1 << 60):
        assert _entry({"path": "a", "size": size}).size == UNREADABLE
    assert _entry({"path": "a", "size": 1, "lfs": {"oid": "short", "size": 9}}) == Entry("a", 9, "git:None:a")


# what is never done


def test_a_header_that_is_no_header_does_not_make_it_download_the_file(hub: FakeHub, small: Path) -> None:
    path = small / "unet/diffusion_pytorch_model.safetensors"
    with path.open("r+b") as file:
        file.write((90_000_000).to_bytes(8, "little"))
        file.truncate(100_000_000)
    report = scan("our/small")
    (finding,) = [finding for finding in report.counted if finding.where.path.startswith("unet/diff")]
    assert "90,000,008 bytes would have to be fetched, 67,108,864 are the most: no weight file is downloaded" in finding.message
    assert hub.nbytes < 100_000


def test_the_numbers_of_a_remote_model_are_not_read(hub: FakeHub) -> None:
    with pytest.raises(WrongUse, match=r"--values reads all of the weights, and our/small is not on this disk"):
        scan("our/small", values="quick")


def test_what_was_read_is_not_asked_for_again() -> None:
    asked: list[tuple[str, int, int]] = []

    def fetch(name: str, start: int, stop: int) -> bytes:
        asked.append((name, start, stop))
        return bytes(range(start, stop))

    files = fetched.Fetched("x", (Entry("a.bin", 100, "a"),), fetch)
    assert files.read("a.bin", 10, 20) == bytes(range(10, 30))
    assert files.read("a.bin", 12, 5) == bytes(range(12, 17))
    assert files.read("a.bin", 95, 50) == bytes(range(95, 100))
    assert files.read("a.bin", 100, 5) == b""
    assert asked == [("a.bin", 10, 30), ("a.bin", 95, 100)]


# the command line


def test_the_command_line_takes_a_name_of_the_hub(hub: FakeHub, small: Path, tmp_path: Path) -> None:
    far = run("scan", "our/small@v1", "--output-format", "json")
    assert (far.returncode, far.stderr) == (0, "")
    assert json.loads(far.stdout)["pipelines"][0]["source"]["revision"] == COMMIT
    near = json.loads(run("scan", small, "--output-format", "json").stdout)
    assert [f["fingerprint"] for f in json.loads(far.stdout)["findings"]] == [f["fingerprint"] for f in near["findings"]]
    both = json.loads(run("scan", "our/small", small, "--output-format", "json").stdout)
    assert [pipeline["path"] for pipeline in both["pipelines"]] == ["our/small", "small"]
    missing = run("scan", "our/small@v9")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr.startswith("dtypecheck: our/small: there is no revision 'v9'")
    hub.gated = frozenset({"our/small"})
    gated = run("scan", "our/small")
    assert (gated.returncode, gated.stderr.count("\n")) == (3, 1)


@pytest.mark.parametrize(("words", "environment"), [(["--offline"], {}), ([], {"HF_HUB_OFFLINE": "1"})])
def test_offline_nothing_is_asked(hub: FakeHub, words: list[str], environment: dict[str, str]) -> None:
    done = run("scan", "our/small", *words, **environment)
    assert done.returncode == 3
    assert "it is not in the cache of the Hub, and" in done.stderr
    assert hub.requests == 0


def test_without_the_hub_s_library_it_says_what_to_install(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none/huggingface_hub.py").write_text("raise ImportError('no', name='huggingface_hub')\n")
    paths = os.pathsep.join([str(tmp_path / "none"), str(Path(__file__).resolve().parents[2])])
    done = run("scan", "our/small", PYTHONPATH=paths)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "dtypecheck: a model that is not on this disk needs huggingface_hub: pip install 'dtypecheck[remote]'\n"
    )
