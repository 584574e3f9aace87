"""The fixtures are what they say: laid out, every weight file opens, is full-size, and has the names its class has."""

from __future__ import annotations

import importlib
import json
import re
import struct
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES))
lay_out = importlib.import_module("lay_out")
CASES = sorted(path.parent.name for path in FIXTURES.glob("cases/*/weights.toml"))
DAMAGED = {"truncated/model.safetensors", "lfs-pointer/model.safetensors"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cases")
    assert [path.name for path in lay_out.lay_out(out)] == CASES
    return out


def parsed(path: Path) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes of data must follow it; a name that comes twice fails."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        assert max(names.values(), default=0) <= 1, names.most_common(1)
        return dict(pairs)

    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        raw = file.read(length)
    assert length % 8 == 0
    header: dict[str, Any] = json.loads(raw, object_pairs_hook=unique)
    header.pop("__metadata__")
    end = 0
    for name, tensor in header.items():
        begin, after = tensor["data_offsets"]
        assert begin == end, name
        assert after - begin == prod(tensor["shape"]) * lay_out.BYTES[tensor["dtype"]], name
        end = after
    assert path.stat().st_size >= 8 + length
    return header, 8 + length + end


def whole(tree: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(tree.rglob("*.safetensors")):
        name = path.relative_to(tree).as_posix()
        if name not in DAMAGED:
            yield name, path


def test_every_whole_file_has_the_size_its_header_says(tree: Path) -> None:
    for name, path in whole(tree):
        header, size = parsed(path)
        assert header, name
        assert path.stat().st_size == size, name


def test_the_damaged_files_are_damaged(tree: Path) -> None:
    path = tree / "truncated" / "model.safetensors"
    assert path.stat().st_size == parsed(path)[1] - 100_000_000
    assert (tree / "lfs-pointer" / "model.safetensors").read_bytes().startswith(b"version https://git-lfs")
    with pytest.raises(json.JSONDecodeError):
        json.loads((tree / "broken-json" / "config.json").read_bytes())


def test_an_index_names_the_shard_that_holds_the_tensor(tree: Path) -> None:
    for path in sorted(tree.rglob("*.index*.json")):
        index = json.loads(path.read_bytes())
        files = {file for file in index["weight_map"].values() if "/" not in file and (path.parent / file).exists()}
        headers = {file: parsed(path.parent / file)[0] for file in files}
        held = sum(file in headers and name in headers[file] for name, file in index["weight_map"].items())
        match path.parent.relative_to(tree).parts[0]:
            case "missing-shard":
                assert len(files) == 2
            case "index-escape":
                assert held == len(index["weight_map"]) - 1
                assert "../../etc/passwd" in index["weight_map"].values()
            case _:
                assert held == len(index["weight_map"]), path
                spans = (tensor["data_offsets"] for header in headers.values() for tensor in header.values())
                assert index["metadata"]["total_size"] == sum(after - begin for begin, after in spans), path


def test_the_tree_is_sparse_and_holds_nothing_about_the_case(tree: Path) -> None:
    files = [path for path in tree.rglob("*") if path.is_file()]
    assert sum(path.stat().st_blocks * 512 for path in files) < 32e6 < sum(path.stat().st_size for path in files)
    assert not [path for path in files if path.name == "weights.toml" or path.name.startswith("expected")]


def test_what_is_expected_of_a_case_is_not_laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "cases" / "tiny"
    case.mkdir(parents=True)
    (case / "expected.json").write_text("{}")
    (case / "config.json").write_text("{}")
    (case / "weights.toml").write_text('"a.safetensors" = { tensors = ["x 2x3", "n - I64"], dtype = "F16" }')
    monkeypatch.setattr(lay_out, "HERE", tmp_path)
    (root,) = lay_out.lay_out(tmp_path / "out")
    assert sorted(path.name for path in root.iterdir()) == ["a.safetensors", "config.json"]
    assert list(parsed(root / "a.safetensors")[0]) == ["n", "x"]


@pytest.mark.parametrize("name", ["../a.safetensors", "/a.safetensors", "b/../../a.safetensors"])
def test_nothing_is_written_outside_the_case(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="outside"):
        lay_out.write_weights(tmp_path / "case", name, {"text": "x"})
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_the_command_prints_a_line_a_case_and_knows_no_other(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(FIXTURES / "lay_out.py"), str(tmp_path / "out"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    done = run("bert-f32", "textual-inversion")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["bert-f32", "textual-inversion"]
    wrong = run("bert-f23")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'bert-f32'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_every_component_of_a_pipeline_is_there(tree: Path) -> None:
    for path in tree.glob("*/model_index.json"):
        for name, row in json.loads(path.read_bytes()).items():
            if isinstance(row, list) and not name.startswith(("tokenizer", "feature_extractor", "scheduler")):
                assert (path.parent / name / "config.json").exists(), (path, name)
                assert list((path.parent / name).glob("*.safetensors")), (path, name)


def test_the_readme_has_a_row_for_every_case_and_no_other() -> None:
    _, table = (FIXTURES / "README.md").read_text().split("## Cases")
    rows = re.findall(r"^\| `([^`]+)` +\|", table, re.MULTILINE)
    assert sorted(rows) == CASES


def test_every_shapes_file_is_used() -> None:
    tables = [tomllib.loads((FIXTURES / "cases" / case / "weights.toml").read_text()) for case in CASES]
    files = [table for weights in tables for table in weights.values() if isinstance(table, dict)]
    used = {part.get("shapes") for table in files for part in table.get("parts", [table])} - {None}
    assert used == {path.stem for path in FIXTURES.glob("shapes/*.txt")}


@pytest.mark.slow
def test_the_classes_make_the_committed_shapes(tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="make_shapes.py builds the classes, and diffusers is not installed")
    subprocess.run(
        [sys.executable, str(FIXTURES / "make_shapes.py"), str(tmp_path)], check=True, capture_output=True, timeout=300
    )
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(made) == sorted(path.name for path in FIXTURES.glob("shapes/*.txt"))
    assert [name for name in made if made[name] != (FIXTURES / "shapes" / name).read_bytes()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "kind", "like"),
    [("sdxl-single-file", "xl_base", "sdxl"), ("sd15-single-file-mixed", "v1", "sd15")],
)
def test_diffusers_recognises_and_converts_a_single_file(case: str, kind: str, like: str) -> None:
    diffusers = pytest.importorskip("diffusers", reason="its converter is what is asked, and it is not installed")
    convert = importlib.import_module("diffusers.loaders.single_file_utils")
    torch = importlib.import_module("torch")
    weights = tomllib.loads((FIXTURES / "cases" / case / "weights.toml").read_text())
    ((_, table),) = weights.items()
    tensors = [tensor for part in table["parts"] for tensor in lay_out.tensors_of(part)]
    checkpoint = {tensor.name: torch.empty(tensor.shape, device="meta") for tensor in tensors}
    values = json.loads((FIXTURES / "cases" / like / "unet" / "config.json").read_text())
    with torch.device("meta"):
        config = diffusers.UNet2DConditionModel.from_config(values).config
    assert convert.infer_diffusers_model_type(checkpoint) == kind
    assert shapes(convert.convert_ldm_unet_checkpoint(dict(checkpoint), config)) == committed(f"{like}_unet")
    blocks = {"down_block_types": range(4), "up_block_types": range(4)}
    assert shapes(convert.convert_ldm_vae_checkpoint(dict(checkpoint), blocks)) == committed("sd_vae")
    assert shapes(convert.convert_ldm_clip_checkpoint(dict(checkpoint))) == committed("clip_l_old")


def shapes(state: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def committed(name: str) -> dict[str, tuple[int, ...]]:
    rows = (line.split() for line in lay_out.shape_lines(name))
    return {row[0]: lay_out.shape_of(row[1]) for row in rows}
