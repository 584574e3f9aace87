"""Files at an address, in archives and in buckets."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from dtypecheck.api import scan
from dtypecheck.cache.store import Store
from dtypecheck.fleet.engines.local import Local
from dtypecheck.fleet.rows import read_line
from dtypecheck.fleet.targets import expanded
from dtypecheck.render.json import document
from dtypecheck.report import Report
from dtypecheck.request import NothingThere, WrongUse
from dtypecheck.settings import Settings
from dtypecheck.verbs.fleet import judge_of, rows
from tests.remote.hub import FakeHub, Fault, oid
from tests.test_cli import run

UNET = "unet/diffusion_pytorch_model.safetensors"


def told(report: Report) -> list[tuple[str, str, str]]:
    return [(f.code, f.where.path, f.message) for f in report.findings]


# a single file


def test_a_file_at_an_address_is_judged_by_its_header(hub: FakeHub, small: Path) -> None:
    url = f"{hub.cdn}{small / UNET}?sig=1"
    report = scan(url)
    assert told(report) == told(scan(small / UNET))
    assert hub.nbytes < 20_000
    source = document(report)["pipelines"][0]["source"]
    assert source == {"target": url, "kind": "url", "revision": oid("diffusion_pytorch_model.safetensors"), "skeleton": False}


def test_the_token_of_the_hub_is_not_sent_to_an_address(hub: FakeHub, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    scan(f"{hub.cdn}{small / UNET}?sig=1")
    assert {one.token for one in hub.asked} == {""}


def test_an_address_that_gives_nothing_is_named(hub: FakeHub, small: Path) -> None:
    with pytest.raises(WrongUse, match=r"there is no such file \(HTTP 404\)"):
        scan(f"{hub.cdn}/none.safetensors")
    with pytest.raises(NothingThere, match=r"not given to everyone \(HTTP 403\); use a signed address"):
        scan(f"{hub.cdn}{small / UNET}")
    hub.ranges = False
    with pytest.raises(NothingThere, match="ignores Range"):
        scan(f"{hub.cdn}{small / UNET}?sig=1")
    with pytest.raises(WrongUse, match="ends with its name"):
        scan(f"{hub.cdn}/")
    with pytest.raises(WrongUse, match="is no address"):
        scan("https://[::1/x.safetensors")
    assert hub.nbytes < 1000


def test_a_file_that_is_replaced_while_it_is_read_is_told(hub: FakeHub, cases: Path) -> None:
    path = cases / "sdxl/unet/diffusion_pytorch_model.safetensors"
    hub.faults = {"cdn": [Fault(), Fault(200, {"ETag": "other"})]}
    with pytest.raises(NothingThere, match="it was replaced while it was read"):
        scan(f"{hub.cdn}{path}?sig=1")


# archives


def archived(small: Path, name: str, stored: bool = False) -> Path:
    out = Path(name)
    if out.suffix == ".zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(small.rglob("*")):
                archive.write(path, path.relative_to(small).as_posix())
    else:
        with tarfile.open(out, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(small, "")
    return out


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz"])
def test_a_model_in_an_archive_is_judged_as_its_folder_is(small: Path, name: str) -> None:
    report = scan(archived(small, name))
    assert told(report) == told(scan(small))
    assert report.seen == scan(small).seen
    assert document(report)["pipelines"][0]["source"]["kind"] == "archive"


def test_a_member_that_leads_out_of_an_archive_is_told_and_not_followed(small: Path) -> None:
    archived(small, "m.zip")
    with zipfile.ZipFile("m.zip", "a") as archive:
        archive.writestr("../../config.json", "{}")
    (finding,) = [finding for finding in scan("m.zip").findings if finding.code == "DT001"]
    assert "leads out of the folder" in finding.message


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz"])
@pytest.mark.parametrize("form", ["memory://archives/{}", "{kind}::memory://archives/{}"])
def test_of_an_archive_that_lies_elsewhere_the_same_is_read(small: Path, name: str, form: str) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"/archives/{name}", archived(small, name).read_bytes())
    url = form.format(name, kind=name[2:5])
    try:
        if name.endswith(".gz"):
            with pytest.raises(NothingThere, match="all of a compressed tar has to be fetched"):
                scan(url)
        else:
            assert told(scan(url)) == told(scan(small))
    finally:
        memory.rm("/archives", recursive=True)


@pytest.mark.parametrize("name", ["m.zip", "m.tar"])
def test_an_archive_at_an_address_is_read_by_ranges(hub: FakeHub, small: Path, name: str, tmp_path: Path) -> None:
    path = archived(small, name, stored=True).absolute()
    url = f"{hub.cdn}{path}"
    if not find_spec("aiohttp"):
        with pytest.raises(WrongUse, match=r"pip install 'dtypecheck\[http\]'"):
            scan(url)
        return
    hub.open = True
    assert told(scan(url)) == told(scan(small))
    assert hub.nbytes < 1_500_000


@pytest.mark.parametrize("name", ["m.zip", "m.tar", "m.tar.gz"])
def test_a_broken_archive_is_named(name: str) -> None:
    Path(name).write_bytes(b"this is no archive" * 100)
    with pytest.raises(NothingThere, match=f"^{name}: "):
        scan(name)


# buckets


@pytest.mark.parametrize(("scheme", "module", "extra"), [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gs"), ("az", "adlfs", "az")])
def test_a_missing_driver_is_named_with_its_extra(scheme: str, module: str, extra: str) -> None:
    if find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(WrongUse, match=rf"{scheme}://b/m needs a driver: pip install 'dtypecheck\[{extra}\]'"):
        scan(f"{scheme}://b/m")


@pytest.mark.parametrize("text", ["nonsense://a/b", "a+b://c"])
def test_an_unknown_scheme_is_told(text: str) -> None:
    with pytest.raises((WrongUse, NothingThere), match=r"nonsense|a\+b"):
        scan(text)


def test_offline_no_bucket_is_asked() -> None:
    with pytest.raises(NothingThere, match="--offline leaves the network out"):
        scan("s3://bucket/model", online=False)


def test_a_folder_of_any_file_system_that_fsspec_knows_is_read(small: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in small.rglob("*"):
        if path.is_file():
            memory.pipe_file(f"/bucket/model/{path.relative_to(small).as_posix()}", path.read_bytes())
    try:
        assert told(scan("memory://bucket/model")) == told(scan(small))
        (one,) = scan(f"memory://bucket/model/{UNET}").pipelines
        assert one.kind == "single-file"
        with pytest.raises(WrongUse, match="there is no such file or folder"):
            scan("memory://bucket/other")
        names = list(expanded(["memory://bucket/", "memory://bucket/model"]))
        assert names == ["memory://bucket/model"]
        (row,) = rows(names, judge_of(Settings()), Local(1), Store(None))
        assert read_line(row.text or b"")["report"]["findings"] == document(scan(names[0]))["findings"]
        memory.pipe_file("/other/readme.md", b"")
        with pytest.raises(NothingThere, match="no model among 1 files"):
            list(expanded(["memory://other/"]))
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.mark.slow
def test_a_bucket_is_read_by_ranges_with_a_real_client(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    try:
        import boto3

        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        for path in small.rglob("*"):
            if path.is_file():
                client.put_object(Bucket="models", Key=f"small/{path.relative_to(small).as_posix()}", Body=path.read_bytes())
        assert told(scan("s3://models/small")) == told(scan(small))
        assert list(expanded(["s3://models/"])) == ["s3://models/small"]
        environment = {"DTYPECHECK_CACHE": str(tmp_path / "c"), "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        for name in ("one", "two"):
            assert run("fleet", "s3://models/", "-o", f"{name}.jsonl", **environment).returncode == 0
        assert Path("one.jsonl").read_bytes() == Path("two.jsonl").read_bytes()
        assert read_line(Path("one.jsonl").read_bytes())["target"] == "s3://models/small"
        client.delete_object(Bucket="models", Key=f"small/{UNET}")
        assert "1 with warnings" in run("fleet", "s3://models/", "-o", "three.jsonl", **environment).stdout
        with pytest.raises(WrongUse, match="no such file or folder"):
            scan("s3://models/none")
        with pytest.raises((WrongUse, NothingThere), match="s3://nobody"):
            scan("s3://nobody/none")
    finally:
        server.stop()
        sys.modules.pop("boto3", None)
