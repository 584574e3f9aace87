"""Where bytes come from: directories with links, hub caches, single files, dicts; and no name leads out of a folder."""

from __future__ import annotations

import ntpath
import os
import posixpath
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtypecheck.files import Directory, Entry, Files, Memory, OneFile, inside, listed, place

BLOB = "0123456789abcdef" * 4


def names(files: Files) -> list[str]:
    return [entry.name for entry in files.entries()]


def lay(root: Path, **contents: bytes) -> None:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def unlisted(files: Files) -> dict[str, str]:
    return {entry.name: entry.identity for entry in files.entries() if entry.size < 0}


def hub_cache(root: Path) -> None:
    """models--a--b as huggingface_hub lays it out: two revisions that share the blob of the weights."""
    lay(root, **{f"blobs/{BLOB}": b"weights", "blobs/abc123": b"{}", "refs/main": b"rev2", ".no_exist/rev1/x": b""})
    for revision in ("rev1", "rev2"):
        folder = root / "snapshots" / revision / "vae"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").symlink_to(f"../../../blobs/{BLOB}")
        (folder / "config.json").symlink_to("../../../blobs/abc123")


# what must be left alone


def test_entries_are_sorted_and_have_posix_names_and_sizes(tmp_path: Path) -> None:
    lay(tmp_path, **{"b": b"12", "a/c.json": b"{}", "a/b/c": b"", "ä.txt": b"1"})
    assert [(entry.name, entry.size) for entry in Directory(tmp_path).entries()] == [
        ("a/b/c", 0),
        ("a/c.json", 2),
        ("b", 2),
        ("ä.txt", 1),
    ]


def test_folders_named_blobs_or_refs_are_walked_where_there_is_no_hub_cache(tmp_path: Path) -> None:
    lay(tmp_path, **{"blobs/a": b"1", "refs/b": b"2", "model/snapshots/c": b"3", "model/refs/d": b"4"})
    assert names(Directory(tmp_path)) == ["blobs/a", "model/refs/d", "model/snapshots/c", "refs/b"]


def test_two_names_of_one_file_have_one_identity_and_others_do_not(tmp_path: Path) -> None:
    lay(tmp_path, a=b"same", b=b"same")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    found = {entry.name: entry.identity for entry in Directory(tmp_path).entries()}
    assert found["a"] == found["hard"] != found["b"]


def test_a_link_to_a_file_named_like_a_digest_elsewhere_is_no_blob(tmp_path: Path) -> None:
    lay(tmp_path, **{f"elsewhere/{BLOB}": b"x"})
    (tmp_path / "model.safetensors").symlink_to(f"elsewhere/{BLOB}")
    assert not any(entry.identity.startswith("sha256:") for entry in Directory(tmp_path).entries())


# links


def test_links_to_files_and_folders_are_followed_to_read(tmp_path: Path) -> None:
    lay(tmp_path, **{"real/vae/config.json": b"{}", "weights": b"abc"})
    model = tmp_path / "model"
    model.mkdir()
    (model / "vae").symlink_to(tmp_path / "real" / "vae")
    (model / "w.bin").symlink_to("../weights")
    files = Directory(model)
    assert [(entry.name, entry.size) for entry in files.entries()] == [("vae/config.json", 2), ("w.bin", 3)]
    assert files.read("w.bin") == b"abc"
    assert files.read("vae/config.json", 1, 1) == b"}"


def test_a_folder_that_two_links_lead_to_is_there_twice(tmp_path: Path) -> None:
    lay(tmp_path, **{"shared/vae/x": b"1"})
    for model in ("a", "b"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "vae").symlink_to("../shared/vae")
    assert names(Directory(tmp_path)) == ["a/vae/x", "b/vae/x", "shared/vae/x"]


def test_a_link_loop_ends(tmp_path: Path) -> None:
    lay(tmp_path, **{"a/b/file": b"1"})
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "here").symlink_to(".")
    assert names(Directory(tmp_path)) == ["a/b/file"]


def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    lay(tmp_path, other=b"1")
    found = {entry.name: entry.size for entry in Directory(tmp_path).entries()}
    assert found == {"other": 1, "self": -1}


def test_folders_that_all_link_to_each_other_end_soon(tmp_path: Path) -> None:
    folders = [tmp_path / f"f{number}" for number in range(9)]
    for folder in folders:
        lay(folder, file=b"1")
        for other in folders:
            if other is not folder:
                (folder / f"to-{other.name}").symlink_to(other)
    start = time.thread_time()
    found = names(Directory(tmp_path))
    assert {f"{folder.name}/file" for folder in folders} <= set(found)
    assert len(found) <= 9 * 64
    assert time.thread_time() - start < 10


def test_folders_nested_without_end_are_told(tmp_path: Path) -> None:
    deep = tmp_path / "/".join("d" * 250)
    deep.mkdir(parents=True)
    lay(tmp_path, **{"d/d/file": b"1"})
    files = Directory(tmp_path)
    assert names(files)[1:] == ["d/d/file"]
    ((name, why),) = unlisted(files).items()
    assert name.startswith("d/d/d/")
    assert why == "unlisted:more than 200 folders deep"


def test_a_broken_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to("../blobs/gone")
    assert unlisted(Directory(tmp_path)) == {"model.safetensors": "unlisted:the link points to nothing"}


def test_an_unreadable_folder_is_told_and_the_rest_is_walked(tmp_path: Path) -> None:
    lay(tmp_path, **{"closed/x": b"1", "open/y": b"2"})
    if os.getuid() == 0:
        pytest.skip("root reads every folder")
    (tmp_path / "closed").chmod(0)
    try:
        files = Directory(tmp_path)
        assert list(unlisted(files)) == ["closed"]
        assert names(files) == ["closed", "open/y"]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_folder_that_is_gone_is_told_as_the_target_itself(tmp_path: Path) -> None:
    assert unlisted(Directory(tmp_path / "gone")) == {".": "unlisted:No such file or directory"}
    assert unlisted(OneFile(tmp_path / "gone.bin")) == {"gone.bin": "unlisted:No such file or directory"}


# hub caches and folders that hold no model


def test_a_hub_cache_is_walked_by_its_snapshots_alone(tmp_path: Path) -> None:
    hub_cache(tmp_path / "models--a--b")
    expected = [
        f"models--a--b/snapshots/{revision}/vae/{name}"
        for revision in ("rev1", "rev2")
        for name in ("config.json", "model.safetensors")
    ]
    assert [name for name in names(Directory(tmp_path)) if "no_exist" not in name] == expected


def test_the_same_blob_has_the_same_identity_under_all_its_names(tmp_path: Path) -> None:
    hub_cache(tmp_path)
    found = {entry.identity for entry in Directory(tmp_path).entries() if entry.name.endswith("model.safetensors")}
    assert found == {f"sha256:{BLOB}"}


@pytest.mark.parametrize("folder", [".git", ".cache", ".dtypecheck", "__pycache__", ".venv", "node_modules"])
def test_folders_that_hold_no_model_are_not_walked(tmp_path: Path, folder: str) -> None:
    lay(tmp_path, **{f"{folder}/a/model.safetensors": b"", f"vae/{folder}/model.safetensors": b"", "vae/model.safetensors": b""})
    assert names(Directory(tmp_path)) == ["vae/model.safetensors"]


def test_a_target_that_is_itself_called_cache_is_walked(tmp_path: Path) -> None:
    lay(tmp_path / ".cache", model=b"1")
    assert names(Directory(tmp_path / ".cache")) == ["model"]


# reading


@pytest.mark.parametrize(
    ("start", "length", "wanted"),
    [(0, None, b"0123456789"), (3, 4, b"3456"), (8, 9, b"89"), (10, 1, b""), (99, None, b""), (0, 0, b"")],
)
def test_a_directory_one_file_and_a_dict_read_alike(tmp_path: Path, start: int, length: int | None, wanted: bytes) -> None:
    lay(tmp_path, file=b"0123456789")
    for files in (Directory(tmp_path), OneFile(tmp_path / "file"), Memory({"file": b"0123456789"})):
        assert files.read("file", start, length) == wanted


def test_memory_reads_zeros_where_only_the_header_is_held() -> None:
    files = Memory({"w": b"abc"}, sizes={"w": 10})
    assert list(files.entries()) == [Entry("w", 10, "w")]
    assert files.read("w") == b"abc" + b"\0" * 7
    assert files.read("w", 2, 3) == b"c\0\0"
    assert files.read("w", 8, 9) == b"\0\0"


def test_a_place_is_a_directory_or_a_file_under_the_name_it_was_given(tmp_path: Path) -> None:
    lay(tmp_path, file=b"1")
    assert isinstance(place(tmp_path), Directory)
    single = place(tmp_path / "file", "the file")
    assert isinstance(single, OneFile)
    assert (single.label, names(single)) == ("the file", ["file"])
    assert place(tmp_path).label == tmp_path.as_posix()


# names found in files


@pytest.mark.parametrize(
    ("folder", "name", "wanted"),
    [
        ("", "a", "a"),
        ("vae", "a.bin", "vae/a.bin"),
        ("vae", "./a//b", "vae/a/b"),
        ("vae", "...", "vae/..."),
        ("a/b", "c d", "a/b/c d"),
        ("", "..a", "..a"),
    ],
)
def test_a_name_inside_is_made_relative_to_the_root(folder: str, name: str, wanted: str) -> None:
    assert inside(folder, name) == wanted


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "./",
        "..",
        "../x",
        "a/../b",
        "a/..",
        "/etc/passwd",
        "\\x",
        "a\\..\\b",
        "C:x",
        "c:/x",
        "a\0b",
        "//host/x",
        "file:///x",
    ],
)
def test_a_name_that_is_no_file_inside_is_refused(name: str) -> None:
    assert inside("vae", name) is None


@given(
    st.sampled_from(["", "vae", "a/b"]),
    st.one_of(
        st.text(), st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", ":", "C:", "\0", "~"]), max_size=8).map("/".join)
    ),
)
def test_no_name_leaves_the_folder_on_any_system(folder: str, name: str) -> None:
    found = inside(folder, name)
    if found is None:
        return
    root = f"/above/{folder}".rstrip("/")
    assert posixpath.normpath(posixpath.join("/above", found)).startswith(root + "/")
    windows = ntpath.normpath(ntpath.join("C:\\root", found))
    assert windows.lower().startswith(ntpath.normpath(f"C:\\root\\{folder}").rstrip("\\").lower() + "\\")
    assert "\0" not in found


def test_a_listed_directory_is_walked_once_and_reads_what_is_there_now(tmp_path: Path) -> None:
    lay(tmp_path, **{"a/x.json": b"1", "b.json": b"2"})
    files = listed(Directory(tmp_path, "m"))
    assert names(files) == ["a/x.json", "b.json"]
    assert files.label == "m"
    lay(tmp_path, **{"c.json": b"3", "b.json": b"4"})
    assert names(files) == ["a/x.json", "b.json"]
    assert names(Directory(tmp_path)) == ["a/x.json", "b.json", "c.json"]
    assert files.read("b.json") == b"4"


def test_a_single_file_has_nothing_to_walk(tmp_path: Path) -> None:
    lay(tmp_path, **{"b.json": b"2"})
    assert listed(OneFile(tmp_path / "b.json")) == OneFile(tmp_path / "b.json")
