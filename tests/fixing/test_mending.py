"""What is typed behind `fix` means what people expect, in a process of its own where nothing was imported before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dtypecheck.fixing.propose.asked import Ask, command, wish_of
from dtypecheck.request import WrongUse
from dtypecheck.rule import matching


def fix(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dtypecheck", "fix", *words], cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A VAE folder whose fp16 variant has an index that no loader reads; its config cannot be misread."""
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    index = {"weight_map": {"a": "diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}}
    (tmp_path / "vae" / "diffusion_pytorch_model.fp16.safetensors.index.json").write_text(json.dumps(index))
    for name in ("diffusion_pytorch_model.fp16-00001-of-00001", "diffusion_pytorch_model"):
        dtype, size = ("F16", 8) if "fp16" in name else ("F32", 16)
        text = json.dumps({"a": {"dtype": dtype, "shape": [4], "data_offsets": [0, size]}}).encode()
        text += b" " * (-len(text) % 8)
        content = len(text).to_bytes(8, "little") + text + bytes(size)
        (tmp_path / "vae" / f"{name}.safetensors").write_bytes(content)
    return tmp_path


def test_a_rule_is_selected_by_code_prefix_and_name(mixed: Path) -> None:
    for word in ("DT121", "DT1", "variant-index-unread"):
        done = fix("vae", "--select", word, cwd=mixed)
        assert "renamed to diffusion_pytorch_model.safetensors.index.fp16.json" in done.stdout, done.stderr
    assert "no rule is called 'DT199'" in fix("vae", "--select", "DT199", cwd=mixed).stderr
    assert "renamed" not in fix("vae", "--select", "DT0", cwd=mixed).stdout


def test_a_second_fix_has_nothing_to_do(mixed: Path) -> None:
    assert fix("vae", "--apply", "--no-verify", cwd=mixed).returncode == 0
    again = fix("vae", "--apply", "--no-verify", cwd=mixed)
    assert (again.returncode, again.stdout) == (0, "nothing to fix in the files\n")


def test_a_conversion_done_twice_is_done_once(mixed: Path) -> None:
    text = (mixed / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    done = fix("vae", "--to", "bf16", "--apply", "--no-verify", cwd=mixed)
    assert done.returncode == 0, done.stderr
    again = fix("vae", "--to", "bf16", "--apply", "--no-verify", cwd=mixed)
    assert "is already bf16" in again.stdout
    assert "applied" not in again.stdout
    assert (mixed / "vae" / "diffusion_pytorch_model.safetensors").read_bytes() != text


def test_a_plan_without_a_step_is_not_written_and_one_out_of_a_file_shows_its_edits(mixed: Path) -> None:
    done = fix("vae", "--select", "DT4", "-o", "plan.json", cwd=mixed)
    assert "plan.json is not written: the plan has no step" in done.stderr
    assert not (mixed / "plan.json").exists()
    assert fix("vae", "-o", "plan.txt", cwd=mixed).returncode == 2
    assert fix("vae", "-o", "plan.json", cwd=mixed).returncode in (0, 1)
    data = json.loads((mixed / "plan.json").read_text())
    data["steps"][0]["edits"].append({"kind": "Put", "path": "evil.py", "text": "import os"})
    data["files"]["evil.py"] = {"bytes": -1, "sha256": ""}
    (mixed / "plan.json").write_text(json.dumps(data))
    assert "edit: writes evil.py, a text of 9 characters" in fix("plan.json", cwd=mixed).stdout
    data["steps"][0]["edits"][-1] |= {"kind": "Bring", "origin": "/etc/passwd", "sha256": ""}
    del data["steps"][0]["edits"][-1]["text"]
    (mixed / "plan.json").write_text(json.dumps(data))
    assert "without an absolute path and a sha256" in fix("plan.json", "--apply", cwd=mixed).stderr
    assert not (mixed / "vae" / "evil.py").exists()


def test_a_pickle_beside_a_file_of_its_new_name_is_refused_before_a_plan_is_made(tmp_path: Path) -> None:
    import torch

    torch.save({"a.weight": torch.zeros(8, 8)}, tmp_path / "model.pt")
    (tmp_path / "model.safetensors").write_bytes(b"")
    done = fix("model.pt", "--to", "fp16", cwd=tmp_path)
    assert "model.safetensors is there already" in done.stdout
    assert done.returncode == 1


def test_a_script_edit_goes_through_the_same_plan_apply_and_undo(tmp_path: Path) -> None:
    from dtypecheck.edits import Splice
    from dtypecheck.files import Directory
    from dtypecheck.fixing.planfile import text_of
    from dtypecheck.fixing.states import states
    from dtypecheck.fixplan import FixPlan, Step

    app = tmp_path / "app"
    app.mkdir()
    before = 'pipe = load("x",  # "é"\r\n            torch_dtype=torch.float16)\r\n'
    (app / "serve.py").write_bytes(before.encode())
    start = before.index("torch.float16")
    edit = Splice("serve.py", start, start + 13, "torch.float16", "torch.bfloat16")
    plan = FixPlan(str(app), (Step("serve.py", "torch.float16 -> torch.bfloat16", (edit,)),))
    files = Directory(app)
    plan = FixPlan(plan.target, plan.steps, states(files, plan.edits, hashed=True))
    (tmp_path / "plan.json").write_text(text_of(plan), "utf-8")
    done = fix("plan.json", "--apply", cwd=tmp_path)
    assert "applied 1 step" in done.stdout, done.stderr
    assert (app / "serve.py").read_bytes().decode() == before.replace("float16", "bfloat16")
    undone = subprocess.run([sys.executable, "-m", "dtypecheck", "undo", "app"], cwd=tmp_path, timeout=60)
    assert undone.returncode == 0
    assert (app / "serve.py").read_bytes().decode() == before
    (app / "serve.py").write_bytes(before.replace("load", "read").encode())
    assert "serve.py: it is not the file that the plan was made for" in fix("plan.json", "--apply", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("ask", "word"),
    [
        (Ask(to="fp99"), "no dtype"),
        (Ask(to="fp8"), "no dtype to load"),
        (Ask(to="float16,vae=float32"), "takes one dtype"),
        (Ask(strategy=("upcats",)), "the nearest is upcast"),
        (Ask(components=("vae",)), "give --to too"),
        (Ask(as_variant="fp16"), "give --to too"),
        (Ask(strategy=("swap-vae",)), "needs --swap"),
        (Ask(to="fp16", max_shard_size="5 apples"), "is no size"),
        (Ask(to="fp16", max_shard_size="0GB"), "room for nothing"),
        (Ask(to="fp16", max_shard_size="nan"), "is no size"),
        (Ask(to="fp16", max_shard_size="inf"), "is no size"),
        (Ask(clamp=True), "give --to too"),
        (Ask(max_shard_size="5GB"), "give --to too"),
        (Ask(to="fp16", strategy=("upcast",)), "chooses among answers"),
        (Ask(to="fp16", select=("DT1",)), "chooses among answers"),
    ],
)
def test_what_means_nothing_is_wrong_use(ask: Ask, word: str) -> None:
    with pytest.raises(WrongUse, match=word):
        wish_of(ask)


def test_aliases_sizes_and_selectors_are_understood() -> None:
    wish = wish_of(Ask(to="half", max_shard_size="1.5 GiB"))
    assert (str(wish.to), wish.shard) == ("fp16", 3 * 2**29)
    wish = wish_of(Ask(select=("DT10",), strategy=("bfloat16, upcast",)))
    assert wish.select == set(matching("DT10")) >= {"DT102", "DT107"}
    assert wish.strategies == ("bf16", "upcast")


def test_the_command_to_go_on_with_is_the_one_that_was_typed() -> None:
    ask = Ask(dtype="float16", to="bf16", components=("vae", "my unet"), clamp=True)
    assert command(Path("a b/m"), ask) == (
        "dtypecheck fix 'a b/m' --dtype float16 --to bf16 --component vae --component 'my unet' --clamp"
    )
