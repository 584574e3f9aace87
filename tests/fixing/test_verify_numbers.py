"""After a fix the model runs as before and computes the same: what is not so takes the fix back, mere rounding is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from dtypecheck.dtypes import parse
from dtypecheck.edits import Edit, SetKey, Store, Take
from dtypecheck.files import Directory, place
from dtypecheck.fixing.apply import apply
from dtypecheck.fixing.overlay import after
from dtypecheck.fixing.propose import Wish, propose
from dtypecheck.fixing.states import states
from dtypecheck.fixing.verify import Verified, calls, memory, numbers, rehearsed, verify, worse
from dtypecheck.fixing.verify.bytes import gathered
from dtypecheck.fixplan import FixPlan, Step
from dtypecheck.knowledge import Knowledge
from dtypecheck.read.located import locate
from dtypecheck.request import make
from tests.loading import tiny

from .planted import changes, models


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models are made once."""
    return tmp_path_factory.mktemp("models")


def checked(
    model: Path,
    edits: tuple[Edit, ...] | str,
    dtype: str | None,
    known: Knowledge,
    spoil: Callable[[Path], None] | None = None,
    codes: tuple[str, ...] = (),
) -> Verified:
    """Apply edits, or what `--to` means, spoil what came out, and ask."""
    request = make(dtype, None, "cpu", (), known)
    before = model.parent / "before"
    shutil.copytree(model, before)
    if isinstance(edits, str):
        edits = propose(place(model), request, known, Wish(to=parse(edits))).plan.edits
    plan = FixPlan("m", (Step(".", "made", edits, codes=codes),), states(place(model), edits, False))
    apply(model, plan)
    if spoil:
        spoil(model)
    return verify(model, Directory(before), plan, request, known, torch=True)


def test_a_converted_pipeline_runs_and_each_part_differs_by_rounding(store: Path, tmp_path: Path, known: Knowledge) -> None:
    models.lay_out("pixart", store, tmp_path / "m", known)
    result = checked(tmp_path / "m", "bf16", "bfloat16", known)
    assert result.reasons == ()
    assert "rehearsal: it runs on cpu (2 steps at 32x32)" in result.measured
    for part in ("text_encoder: its output", "transformer: its output", "vae: decode"):
        (line,) = (line for line in result.measured if line.startswith(part))
        assert "differs from fp32 by at most 0.0" in line
        assert line.endswith("finite (bf16)")


def test_a_variant_that_is_written_beside_is_loaded_and_compared(store: Path, tmp_path: Path, known: Knowledge) -> None:
    models.lay_out("flux-text_encoder_2", store, tmp_path / "m", known)
    edits = (Store("model.fp16.safetensors", (Take("model.safetensors", "", "F16"),)),)
    result = checked(tmp_path / "m", edits, None, known)
    assert result.reasons == ()
    assert "variant fp16: rehearsal: it runs on cpu (one forward)" in result.measured
    assert result.measured[-1].startswith("variant fp16: T5EncoderModel: its output differs from fp32 by at most 0.0")


def test_the_same_fix_is_told_in_the_same_numbers_whatever_was_drawn_before(
    store: Path, tmp_path: Path, known: Knowledge
) -> None:
    told = []
    for seed in (1, 2, 3):
        models.lay_out("sdxl", store, tmp_path / str(seed) / "m", known)
        torch.manual_seed(seed)
        drawn = torch.random.get_rng_state()
        told.append(checked(tmp_path / str(seed) / "m", "bf16", None, known).measured)
        assert torch.equal(torch.random.get_rng_state(), drawn)
    assert any(line.startswith("unet: its output differs") for line in told[0])
    assert told[0] == told[1] == told[2]


def test_an_argument_gets_the_same_numbers_whatever_else_is_given() -> None:
    shaped = calls.Shaped((2, 3), torch.float32)
    _, alone = calls.numbers(calls.Call("forward", torch.float32, (), {"sample": shaped}), 1)
    _, both = calls.numbers(calls.Call("forward", torch.float32, (shaped,), {"first": shaped, "sample": shaped}), 1)
    assert torch.equal(alone["sample"], both["sample"])
    assert not torch.equal(both["first"], both["sample"])


def kl(root: Path, hot: bool = False, **config: object) -> Path:
    """A lone VAE."""
    torch.manual_seed(5)
    made: Any = tiny.kl()
    made.save_pretrained(root)
    if hot:
        path = changes.weights(root)
        tensors = load_file(path)
        key = "decoder.up_blocks.0.resnets.1.conv2.weight"
        save_file({**tensors, key: changes.largest(tensors[key])}, path, {"format": "pt"})
    changes.edit(root / "config.json", **config)
    return root


def test_numbers_that_are_not_those_of_before_are_a_reason(tmp_path: Path, known: Knowledge) -> None:
    def spoil(model: Path) -> None:
        tensors = load_file(changes.weights(model))
        key = "decoder.conv_in.weight"
        save_file({**tensors, key: tensors[key].flip(0)}, changes.weights(model), {"format": "pt"})

    result = checked(kl(tmp_path / "m", force_upcast=False), "fp16", "float16", known, spoil)
    assert len(result.reasons) == 1
    assert "decode differs from fp32" in result.reasons[0]
    assert result.reasons[0].endswith("that is no rounding")


def test_a_part_that_is_not_finite_any_more_is_a_reason(tmp_path: Path, known: Knowledge) -> None:
    result = checked(kl(tmp_path / "m", hot=True, force_upcast=False), "fp16", "float16", known)
    assert result.reasons == ("AutoencoderKL: decode is not finite in fp16, it is in fp32 before",)


def test_a_part_that_was_not_finite_before_under_the_same_request_is_told(tmp_path: Path, known: Knowledge) -> None:
    path = "diffusion_pytorch_model.safetensors"
    edits = (Store(path, (Take(path),)),)
    result = checked(kl(tmp_path / "m", hot=True, force_upcast=False), edits, "float16", known)
    assert result.reasons == ()
    assert result.measured[-1] == "AutoencoderKL: decode is not finite in fp16, as it was before under this request"


def test_a_vae_that_its_pipelines_decode_in_fp32_is_decoded_so(tmp_path: Path, known: Knowledge) -> None:
    result = checked(kl(tmp_path / "m", hot=True, force_upcast=True), "fp16", "float16", known)
    assert result.reasons == ()
    assert result.measured[-1].endswith("finite (fp16, computed in fp32)")


@pytest.mark.slow
def test_the_pipeline_decides_in_what_the_vae_decodes(store: Path, tmp_path: Path, known: Knowledge) -> None:
    models.lay_out("sdxl", store, tmp_path / "m", known)
    changes.all_of(
        changes.of_keys("vae", "decoder.up_blocks.0.resnets.1.conv2.weight", changes.largest),
        changes.config("vae", force_upcast=False),
    )(tmp_path / "m")
    path = "vae/diffusion_pytorch_model.safetensors"
    edits = (Store(path, (Take(path, "", "F16"),)),)
    asked = checked(tmp_path / "m", (*edits, SetKey("vae/config.json", "/force_upcast", "true")), "float16", known)
    assert asked.reasons == ()
    assert any(line.endswith("finite (fp16, computed in fp32)") for line in asked.measured if line.startswith("vae: decode"))


def test_weights_that_were_rounded_and_are_loaded_wide_differ_by_the_rounding(tmp_path: Path, known: Knowledge) -> None:
    result = checked(kl(tmp_path / "m"), "fp16", None, known)
    assert result.reasons == ()
    assert "differs from fp32" in result.measured[-1]
    assert result.measured[-1].endswith("finite (fp32)")


def test_old_names_of_attention_layers_and_pickles_are_filled_all_the_same(tmp_path: Path, known: Knowledge) -> None:
    root = kl(tmp_path / "m")
    tensors = load_file(changes.weights(root))
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for key, tensor in tensors.items():
        for new, name in old.items():
            key = key.replace(f".{new}.", f".{name}.")
        renamed[key] = tensor
    assert renamed.keys() != tensors.keys()
    torch.save(renamed, root / "diffusion_pytorch_model.bin")
    changes.weights(root).unlink()
    result = checked(root, "bf16", "bfloat16", known)
    assert result.reasons == ()
    assert "decode differs from fp32" in result.measured[-1]


def test_views_in_a_pickle_are_compared_in_their_order(tmp_path: Path, known: Knowledge) -> None:
    root = kl(tmp_path / "m")
    tensors = load_file(changes.weights(root))
    key = next(key for key, tensor in tensors.items() if tensor.dim() == 2)
    tensors[key] = tensors[key].t().contiguous().t()
    torch.save(tensors, root / "diffusion_pytorch_model.bin")
    changes.weights(root).unlink()
    result = checked(root, "fp32", None, known)
    assert result.reasons == ()
    assert f"{len(tensors)} untouched tensors are byte-identical" in result.measured[0]
    assert "equals that of before in fp32" in result.measured[-1]


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (1, 5), (3, 1)])
def test_a_view_is_gathered_as_torch_makes_it_contiguous(shape: tuple[int, ...], tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.float32, torch.int64, torch.uint8):
        whole = torch.arange(200).to(dtype).reshape(10, 20)
        flat = whole.flatten()
        views = {
            "turned": whole[: shape[0], : shape[-1]].t(),
            "every second": whole[::2, 1::3],
            "spread": flat[:5].expand(3, 5),
            "strided": torch.as_strided(flat, shape, tuple(reversed([1, 7, 30][: len(shape)])), 3),
        }
        torch.save(views, tmp_path / "m.bin")
        files = Directory(tmp_path)
        (entry,) = files.entries()
        for found in locate(files, entry).places:
            assert gathered(files, "m.bin", found) == views[found.key].contiguous().numpy().tobytes(), (found.key, dtype)


def test_a_part_that_does_not_fit_into_memory_is_told(tmp_path: Path, known: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "SHARE", 0.0)
    result = checked(kl(tmp_path / "m"), "bf16", "bfloat16", known)
    assert result.reasons == ()
    assert "not compared with fp32" in result.measured[-1]
    assert "of memory are free" in result.measured[-1]
    assert (memory.free_memory() or 0) > 1 << 20


def test_a_plan_is_rehearsed_before_it_is_applied(store: Path, tmp_path: Path, known: Knowledge) -> None:
    models.lay_out("pixart", store, tmp_path / "m", known)
    files = Directory(tmp_path / "m")
    request = make(None, None, "cpu", (), known)
    was = rehearsed(files, request, known, "cpu")
    narrowed = after(files, [SetKey("text_encoder/config.json", "/dtype", '"float16"')])
    now = rehearsed(narrowed, request, known, "cpu")
    assert (was and was.verdict, now and now.verdict) == ("runs", "crashes")
    assert worse(was, now).startswith("the call fails in transformer")
    assert worse(now, now) == worse(now, was) == worse(was, was) == ""
    assert worse(was, None) == ""


def test_a_pipeline_that_runs_no_more_is_a_reason(store: Path, tmp_path: Path, known: Knowledge) -> None:
    models.lay_out("pixart", store, tmp_path / "m", known)
    edits = (SetKey("text_encoder/config.json", "/dtype", '"float16"'),)
    result = checked(tmp_path / "m", edits, None, known)
    assert any(reason.startswith("rehearsal: the call fails in transformer") for reason in result.reasons), result.reasons


def test_files_without_a_pipeline_are_not_rehearsed(tmp_path: Path, known: Knowledge) -> None:
    assert rehearsed(Directory(kl(tmp_path / "m")), make(None, None, None, (), known), known) is None
