"""What a typed target means: a path first, then a name of the Hub, an archive or an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtypecheck.remote.targets import Remote, target_of
from dtypecheck.request import WrongUse


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("stabilityai/sdxl", "stabilityai/sdxl", ""),
        ("a/b@refs/pr/1", "a/b", "refs/pr/1"),
        ("a/b.c-d_e@v1.0", "a/b.c-d_e", "v1.0"),
        ("hf://gpt2", "gpt2", ""),
        ("hf://a/b@main", "a/b", "main"),
        ("https://huggingface.co/a/b", "a/b", ""),
        ("https://huggingface.co/a/b/tree/v2", "a/b", "v2"),
    ],
)
def test_a_name_of_the_hub_is_one(text: str, repo: str, revision: str) -> None:
    assert target_of(text) == Remote(text, repo=repo, revision=revision)


@pytest.mark.parametrize(
    "text",
    [
        "model", "a/b/c", "/a/b", "./a/b", "../a/b", "a/b/", "~/a", "a/b.safetensors", "a/serve.py", "a/config.json", "a/..",
        "a/.b", "-a/b", "a/b@", "a/b@../c", "a/b@x//y", "a/b c", "C:\\a\\b", "a/b\0", "a/b-", "", ".", "x" * 5000,
    ],
)  # fmt: skip
def test_everything_else_is_a_path_that_is_not_there(text: str) -> None:
    assert target_of(text) == Path(text)


def test_a_path_that_is_there_comes_first(tmp_path: Path) -> None:
    Path("a").mkdir()
    assert target_of("a/b") == Path("a/b")
    Path("a/b").mkdir()
    assert target_of("a/b") == Path("a/b")
    assert target_of("hf://a/b") == Remote("hf://a/b", repo="a/b")


@pytest.mark.parametrize(
    "text", ["s3://bucket/model", "gs://b/m.safetensors", "https://x.org/m.safetensors", "zip::s3://b/x.zip"]
)
def test_an_address_is_one(text: str) -> None:
    assert target_of(text) == Remote(text, url=text)


def test_the_page_of_a_file_on_the_hub_means_the_file() -> None:
    found = target_of("https://huggingface.co/a/b/blob/main/x.safetensors")
    assert found == Remote(
        "https://huggingface.co/a/b/blob/main/x.safetensors", url="https://huggingface.co/a/b/resolve/main/x.safetensors"
    )


@pytest.mark.parametrize("text", ["hf://", "hf://a/b/c", "hf://../x", "hf://a/..", "hf://a@../b"])
def test_a_name_that_the_hub_cannot_have_is_wrong_use(text: str) -> None:
    if text == "hf://":
        assert target_of(text) == Path(text)
        return
    with pytest.raises(WrongUse, match="names no model of the Hub"):
        target_of(text)


def test_a_zip_on_this_disk_is_an_archive_and_a_label_has_no_marks(tmp_path: Path) -> None:
    Path("m.zip").write_bytes(b"PK")
    assert target_of("m.zip") == Remote("m.zip", url="m.zip")
    assert Remote("s3://b//m/", url="s3://b//m/").label == "s3/b/m"
    assert Remote("a/b@v1", repo="a/b").label == "a/b@v1"
