"""A scan is light: it imports no torch, no numpy, no library that it only reads the files of, and rich only for a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.testing import lay_out

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "safetensors",
    "huggingface_hub",
    "fsspec",
    "accelerate",
    "peft",
    "gguf",
    "sympy",
    "hypothesis",
    "pytest",
)
CODE = """
import json, sys
from dtypecheck.cli import main
code = 0
try:
    main(sys.argv[2:])
except SystemExit as done:
    code = done.code or 0
json.dump([code, sorted(sys.modules)], open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pipeline with a finding, a pickle and a GGUF pointer beside it."""
    root = tmp_path_factory.mktemp("model")
    files = lay_out(
        """
        model_index.json: {"_class_name": "X", "vae": ["diffusers", "AutoencoderKL"], "unet": ["diffusers", "X"]}
        vae/config.json: {"_class_name": "AutoencoderKL"}
        vae/diffusion_pytorch_model.safetensors: a.weight F16 4x4 | cut 8
        unet/diffusion_pytorch_model.bin: text "no pickle"
        unet/config.json: {"_class_name": "UNet2DConditionModel"}
        extra.gguf: lfs 99
        lora.safetensors: x.lora_down.weight F16 4x4; x.lora_up.weight F16 4x4
        """
    ).files
    for entry in files.entries():
        path = root / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.read(entry.name))
    return root


def imported(out: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit code and every module that a run of the command line had imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(out), *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=out.parent,
        timeout=300,
    )
    assert "a bug of ours" not in done.stderr
    code, modules = json.loads(out.read_text())
    return code, set(modules)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (1, ("scan", "MODEL")),
        (1, ("scan", "MODEL", "--dtype", "float16", "--variant", "fp16", "--device", "t4", "--lib", "transformers==4.57")),
        (1, ("scan", "MODEL", "--output-format", "json")),
        (1, ("scan", "MODEL", "--output-format", "terminal")),
        (0, ("explain",)),
        (0, ("--help",)),
        (0, ("scan", "--help")),
        (0, ("--version",)),
        (0, ()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_no_heavy_library_is_imported(tmp_path: Path, model: Path, code: int, arguments: tuple[str, ...]) -> None:
    given = tuple(str(model) if word == "MODEL" else word for word in arguments)
    done, modules = imported(tmp_path / "modules.json", *given)
    assert done == code
    assert not modules & set(HEAVY)
    assert {name for name in modules if name.startswith("dtypecheck.remote.")} <= {
        "dtypecheck.remote.kept",
        "dtypecheck.remote.targets",
    }
    assert "dtypecheck.cli" in modules


def test_the_numbers_need_numpy_and_nothing_else(tmp_path: Path, model: Path) -> None:
    _, modules = imported(tmp_path / "modules.json", "scan", str(model), "--values")
    assert modules & set(HEAVY) == {"numpy"}


@pytest.mark.parametrize("form", ["concise", "json"])
def test_rich_is_not_imported_for_text_that_machines_read(tmp_path: Path, model: Path, form: str) -> None:
    _, modules = imported(tmp_path / "modules.json", "scan", str(model), "--output-format", form)
    assert not {name for name in modules if name.partition(".")[0] in ("rich", "pygments", "markdown_it")}
    assert f"dtypecheck.render.{form}" in modules


def test_rich_is_what_draws_on_a_terminal(tmp_path: Path, model: Path) -> None:
    _, modules = imported(tmp_path / "modules.json", "scan", str(model), "--output-format", "terminal")
    assert "rich" in modules


def test_the_readers_of_rarer_formats_are_imported_only_when_one_is_met(tmp_path: Path, model: Path) -> None:
    _, modules = imported(tmp_path / "modules.json", "scan", str(model / "lora.safetensors"))
    assert not modules & {"dtypecheck.read.gguf", "dtypecheck.read.pickled"}


def test_the_package_itself_imports_next_to_nothing(tmp_path: Path) -> None:
    code = "import sys, dtypecheck; print(*(name for name in sys.modules if name.startswith('dtypecheck')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, timeout=300)
    assert done.stdout.split() == ["dtypecheck"]
