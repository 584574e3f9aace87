"""Messages as the installed libraries really print them: each is provoked, and its row, roles and dtypes are read from it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from dtypecheck.messages.find import find
from dtypecheck.verbs.explain import all_rows

H, S, B, D, L = torch.float16, torch.float32, torch.bfloat16, torch.float64, torch.int64
F8 = torch.float8_e4m3fn


def t(*shape: int, dtype: torch.dtype = S) -> torch.Tensor:
    """Ones; fp8 cannot be filled, so they are cast."""
    return torch.ones(*shape).to(dtype)


def pick(*dtypes: torch.dtype) -> list[torch.Tensor]:
    """Query, key and value."""
    return [t(1, 1, 4, 4, dtype=dtype) for dtype in dtypes]


def put(held: torch.Tensor, index: Any, given: Any) -> None:
    held[index] = given


def scaled() -> None:
    layer = nn.Linear(2, 2).half()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(layer(t(1, 2, dtype=H)).sum()).backward()
    scaler.unscale_(optimizer)


IDS = torch.tensor([0])
MASK = torch.tensor([True, True, False, False])
Case = tuple[Callable[[], object], str, dict[str, str]]
TORCH: Final[dict[str, Case]] = {
    # products of matrices: the first dtype is the input's
    "linear h f": (lambda: nn.Linear(4, 4)(t(2, 4, dtype=H)), "linear-dtypes", {"input": "F16", "weight": "F32"}),
    "linear f h": (lambda: nn.Linear(4, 4).half()(t(2, 4)), "linear-dtypes", {"input": "F32", "weight": "F16"}),
    "linear b h": (lambda: nn.Linear(4, 4).half()(t(2, 4, dtype=B)), "linear-dtypes", {"input": "BF16", "weight": "F16"}),
    "linear 3d": (lambda: nn.Linear(4, 4)(t(2, 3, 4, dtype=H)), "linear-dtypes", {"input": "F16", "weight": "F32"}),
    "linear long": (lambda: nn.Linear(4, 4)(t(2, 4, dtype=L)), "linear-integers", {"input": "I64", "weight": "F32"}),
    "linear double": (lambda: nn.Linear(4, 4)(t(2, 4, dtype=D)), "double-met", {"input": "F64", "weight": "F32"}),
    "no bias": (lambda: nn.Linear(4, 4, bias=False)(t(2, 4, dtype=H)), "matmul-dtypes", {"input": "F16", "weight": "F32"}),
    "no bias bool": (
        lambda: nn.Linear(4, 4, bias=False)(t(2, 4, dtype=torch.bool)),
        "linear-integers",
        {"input": "BOOL", "weight": "F32"},
    ),
    "mm": (lambda: t(2, 4, dtype=B) @ t(4, 4, dtype=H), "matmul-dtypes", {"input": "BF16", "weight": "F16"}),
    "mm double": (lambda: t(2, 4, dtype=D) @ t(4, 4), "double-met", {"input": "F64", "weight": "F32"}),
    "mm fp8": (lambda: t(2, 4, dtype=H) @ t(4, 4, dtype=F8), "linear-fp8", {"input": "F16", "weight": "F8_E4M3"}),
    "linear fp8": (
        lambda: F.linear(t(2, 4, dtype=H), t(4, 4, dtype=F8), t(4, dtype=H)),
        "linear-fp8",
        {"bias": "F16", "weight": "F8_E4M3"},
    ),
    "bias": (
        lambda: F.linear(t(2, 4, dtype=H), t(4, 4, dtype=H), t(4)),
        "addmm-dtypes",
        {"bias": "F32", "weight": "F16"},
    ),
    "addmm": (
        lambda: torch.addmm(t(4, dtype=B), t(2, 4, dtype=H), t(4, 4, dtype=H)),
        "addmm-dtypes",
        {"bias": "BF16", "weight": "F16"},
    ),
    "bmm": (lambda: torch.bmm(t(2, 3, 4, dtype=H), t(2, 4, 3)), "scalar-type", {"input": "F16", "other": "F32"}),
    "bmm f h": (lambda: torch.bmm(t(2, 3, 4), t(2, 4, 3, dtype=H)), "scalar-type", {"input": "F32", "other": "F16"}),
    "matmul 3d": (lambda: t(2, 3, 4, dtype=B) @ t(2, 4, 3), "scalar-type", {"input": "BF16", "other": "F32"}),
    "einsum": (
        lambda: torch.einsum("bij,bjk->bik", t(2, 3, 4), t(2, 4, 3, dtype=H)),
        "scalar-type",
        {"input": "F32", "other": "F16"},
    ),
    "bmm double": (lambda: torch.bmm(t(2, 3, 4, dtype=D), t(2, 4, 3)), "double-met", {"input": "F64", "other": "F32"}),
    "bmm long": (lambda: torch.bmm(t(2, 3, 4), t(2, 4, 3, dtype=L)), "integer-met", {"input": "F32", "other": "I64"}),
    "bmm int8": (
        lambda: torch.bmm(t(2, 3, 4, dtype=H), t(2, 4, 3, dtype=torch.int8)),
        "int8-weight",
        {"input": "F16", "other": "I8"},
    ),
    "baddbmm mask": (
        lambda: torch.baddbmm(t(2, 3, 3), t(2, 3, 4, dtype=H), t(2, 4, 3, dtype=H)),
        "baddbmm-dtypes",
        {"mask": "F32", "query": "F16", "key": "F16"},
    ),
    "mv": (lambda: t(3, 4) @ t(4, dtype=H), "addmv-dtypes", {"bias": "F16", "input": "F32", "weight": "F16"}),
    "dot": (lambda: torch.dot(t(4, dtype=H), t(4)), "dot-dtypes", {"input": "F16", "other": "F32"}),
    "bilinear": (
        lambda: nn.Bilinear(4, 4, 4)(t(2, 4, dtype=H), t(2, 4)),
        "bilinear-dtypes",
        {"input": "F16", "other": "F32", "weight": "F32", "bias": "F32"},
    ),
    "tensordot": (lambda: torch.tensordot(t(2, 2, dtype=H), t(2, 2), dims=1), "pair-dtypes", {}),
    "multi_dot": (lambda: torch.linalg.multi_dot([t(2, 2, dtype=H), t(2, 2)]), "pair-dtypes", {"input": "F16", "other": "F32"}),
    "solve": (lambda: torch.linalg.solve(t(2, 2), t(2, 2, dtype=D)), "pair-dtypes", {"input": "F32", "other": "F64"}),
    "lstsq": (lambda: torch.linalg.lstsq(t(2, 2), t(2, 2, dtype=D)), "pair-dtypes", {"input": "F32", "other": "F64"}),
    "allclose": (lambda: torch.allclose(t(4), t(4, dtype=H)), "pair-dtypes", {"input": "F32", "other": "F16"}),
    "lstm": (lambda: nn.LSTM(4, 4)(t(2, 1, 4, dtype=H)), "rnn-dtypes", {"input": "F16", "weight": "F32"}),
    "gru": (lambda: nn.GRU(4, 4).half()(t(2, 1, 4)), "rnn-dtypes", {"input": "F32", "weight": "F16"}),
    # convolutions
    "conv h f": (lambda: nn.Conv2d(4, 4, 1)(t(1, 4, 4, 4, dtype=H)), "conv-dtypes", {"input": "F16", "bias": "F32"}),
    "conv f h": (lambda: nn.Conv2d(4, 4, 1).half()(t(1, 4, 4, 4)), "conv-dtypes", {"input": "F32", "bias": "F16"}),
    "conv1d b": (lambda: nn.Conv1d(4, 4, 1)(t(1, 4, 4, dtype=B)), "conv-dtypes", {"input": "BF16", "bias": "F32"}),
    "conv no bias": (
        lambda: nn.Conv2d(4, 4, 1, bias=False)(t(1, 4, 4, 4, dtype=H)),
        "conv-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    "conv no bias b": (
        lambda: nn.Conv2d(4, 4, 1, bias=False).to(B)(t(1, 4, 4, 4)),
        "scalar-type",
        {"input": "F32", "other": "BF16"},
    ),
    "conv transposed": (
        lambda: nn.ConvTranspose2d(4, 4, 1).half()(t(1, 4, 4, 4)),
        "scalar-type",
        {"input": "F32", "other": "F16"},
    ),
    "conv picture": (
        lambda: nn.Conv2d(4, 4, 1)(t(1, 4, 4, 4, dtype=torch.uint8)),
        "conv-integers",
        {"input": "U8", "bias": "F32"},
    ),
    "conv fp8": (lambda: nn.Conv2d(4, 4, 1).to(F8)(t(1, 4, 4, 4, dtype=H)), "linear-fp8", {"input": "F16", "bias": "F8_E4M3"}),
    "conv double": (lambda: nn.Conv2d(4, 4, 1)(t(1, 4, 4, 4, dtype=D)), "double-met", {"input": "F64", "bias": "F32"}),
    # norms and activations
    "layer norm": (lambda: nn.LayerNorm(4).half()(t(2, 4)), "norm-parameter", {}),
    "layer norm b": (lambda: nn.LayerNorm(4).to(B)(t(2, 4, dtype=H)), "norm-parameter", {}),
    "group norm": (lambda: nn.GroupNorm(2, 4).half()(t(2, 4, 3)), "norm-parameter", {}),
    "batch norm": (lambda: nn.BatchNorm1d(4).half()(t(2, 4, 3)), "norm-parameter", {}),
    "rms norm": (lambda: nn.RMSNorm(4)(t(2, 4, dtype=H)), "rmsnorm-mixed", {"input": "F16", "weight": "F32"}),
    "prelu": (lambda: nn.PReLU()(t(2, 4, dtype=H)), "prelu-dtypes", {"input": "F16", "weight": "F32"}),
    # attention
    "sdpa": (
        lambda: F.scaled_dot_product_attention(*pick(H, S, S)),
        "attention-dtypes",
        {"query": "F16", "key": "F32", "value": "F32"},
    ),
    "sdpa mask": (
        lambda: F.scaled_dot_product_attention(*pick(S, S, S), attn_mask=t(4, 4, dtype=L)),
        "attention-mask",
        {"mask": "I64", "query": "F32"},
    ),
    "sdpa mask b h": (
        lambda: F.scaled_dot_product_attention(*pick(H, H, H), attn_mask=t(4, 4, dtype=B)),
        "attention-mask",
        {"mask": "BF16", "query": "F16"},
    ),
    "multi head": (
        lambda: nn.MultiheadAttention(4, 1)(*[t(2, 1, 4, dtype=H)] * 3),
        "linear-dtypes",
        {"input": "F16", "weight": "F32"},
    ),
    # writing, indexing, promotion
    "index_put": (lambda: put(t(4, dtype=H), torch.tensor([0, 1]), t(2)), "index-put", {"destination": "F16", "source": "F32"}),
    "index_put mask": (lambda: put(t(4, dtype=H), MASK, t(2)), "index-put", {"destination": "F16", "source": "F32"}),
    "scatter": (lambda: t(4, dtype=H).scatter(0, IDS, t(1)), "scatter-dtypes", {}),
    "scatter_add": (lambda: t(4, dtype=H).scatter_add(0, IDS, t(1)), "scatter-dtypes", {}),
    "index_add": (lambda: t(4).index_add(0, IDS, t(1, dtype=H)), "index-add", {"destination": "F32", "source": "F16"}),
    "index_reduce": (
        lambda: t(4).index_reduce(0, IDS, t(1, dtype=H), "mean"),
        "index-add",
        {"destination": "F32", "source": "F16"},
    ),
    "index_copy": (lambda: t(4).index_copy(0, IDS, t(1, dtype=H)), "index-copy", {"destination": "F32", "source": "F16"}),
    "masked_scatter": (
        lambda: t(4).masked_scatter(MASK, t(2, dtype=H)),
        "masked-scatter",
        {"destination": "F32", "source": "F16"},
    ),
    "lerp": (lambda: torch.lerp(t(4), t(4, dtype=H), 0.5), "lerp-dtypes", {"input": "F32", "other": "F16"}),
    "in place": (lambda: t(4, dtype=L).mul_(t(4)), "result-type", {"source": "F32", "destination": "I64"}),
    "out": (lambda: torch.add(t(4), t(4), out=t(4, dtype=L)), "result-type", {"source": "F32", "destination": "I64"}),
    "mm out": (lambda: torch.mm(t(2, 2), t(2, 2), out=t(2, 2, dtype=H)), "out-dtype", {"input": "F32", "destination": "F16"}),
    "fp8 promoted": (lambda: t(4, dtype=F8) + t(4, dtype=H), "fp8-promotion", {"input": "F8_E4M3", "other": "F16"}),
    "fp8 cat": (lambda: torch.cat([t(2, dtype=F8), t(2)]), "fp8-promotion", {"input": "F8_E4M3", "other": "F32"}),
    "fp8 added": (lambda: t(4, dtype=F8) + t(4, dtype=F8), "fp8-arithmetic", {"input": "F8_E4M3"}),
    "fp8 drawn": (lambda: torch.randn(4, dtype=torch.float8_e5m2), "fp8-arithmetic", {"input": "F8_E5M2"}),
    "ids": (lambda: nn.Embedding(4, 4)(t(2)), "embedding-ids", {"input": "F32"}),
    "ids half": (lambda: nn.Embedding(4, 4)(t(2, dtype=H)), "embedding-ids", {"input": "F16"}),
    "index": (lambda: t(4)[t(2)], "index-dtype", {}),
    # range
    "masked_fill": (lambda: t(4, dtype=H).masked_fill(MASK, -1e9), "constant-too-large", {"destination": "F16"}),
    "fill": (lambda: t(4, dtype=H).fill_(1e9), "constant-too-large", {"destination": "F16"}),
    "full": (lambda: torch.full((4,), 1e9, dtype=H), "constant-too-large", {"destination": "F16"}),
    "finfo": (lambda: t(4, dtype=B).masked_fill(MASK, torch.finfo(S).min), "constant-too-large", {"destination": "BF16"}),
    "fp8 fill": (lambda: t(4, dtype=F8).fill_(1e9), "constant-too-large", {"destination": "F8_E4M3"}),
    "multinomial": (lambda: torch.multinomial(torch.tensor([float("nan"), 1.0]), 1), "sampling-nan", {}),
    "picture": (lambda: np.array([np.nan], dtype=np.float32).astype("uint8"), "image-nan", {}),
    # training
    "unscale": (scaled, "scaler-fp16-gradients", {}),
    "bce": (lambda: F.binary_cross_entropy(t(4), t(4, dtype=H)), "loss-dtypes", {"input": "F32", "target": "F16"}),
    "bce h": (lambda: F.binary_cross_entropy(t(4, dtype=H), t(4)), "loss-dtypes", {"input": "F16", "target": "F32"}),
    "labels": (lambda: F.cross_entropy(t(2, 4), t(2)), "target-dtype", {"target": "F32"}),
    "labels int": (lambda: F.nll_loss(t(2, 4), t(2, dtype=torch.int32)), "target-dtype", {"target": "I32"}),
    "grad": (
        lambda: setattr(t(4).requires_grad_(), "grad", t(4, dtype=H)),
        "gradient-dtype",
        {"source": "F16", "destination": "F32"},
    ),
    "requires grad": (lambda: t(4, dtype=L).requires_grad_(), "requires-grad-integers", {}),
    "parameter": (lambda: nn.Parameter(t(4, dtype=L)), "requires-grad-integers", {}),
    "autocast": (lambda: torch.autocast("cpu", dtype=D).__enter__(), "autocast-unsupported", {}),
    # what a kernel lacks
    "resize": (
        lambda: F.interpolate(t(1, 1, 8, 8, dtype=H), size=(4, 4), mode="bilinear", antialias=True),
        "kernel-missing",
        {"input": "F16"},
    ),
    "svd": (lambda: torch.linalg.svd(t(2, 2, dtype=H)), "kernel-missing", {"input": "F16"}),
    "qr": (lambda: torch.linalg.qr(t(2, 2, dtype=B)), "kernel-missing", {"input": "BF16"}),
    "cholesky": (lambda: torch.linalg.cholesky(t(2, 2, dtype=B)), "kernel-missing", {"input": "BF16"}),
    "cdist": (lambda: torch.cdist(t(2, 2, dtype=H), t(2, 2, dtype=H)), "kernel-missing", {"input": "F16"}),
    "softmax long": (lambda: t(4, dtype=L).softmax(0), "kernel-integers", {"input": "I64"}),
    "mse long": (lambda: F.mse_loss(t(4, dtype=L), t(4, dtype=L)), "kernel-integers", {"input": "I64"}),
    "and": (lambda: t(4) & t(4), "kernel-floats", {"input": "F32"}),
    "not": (lambda: ~t(4), "kernel-floats", {}),
    "fft": (lambda: torch.fft.fft(t(4, dtype=H)), "fft-half", {"input": "F16"}),
    "fft2": (lambda: torch.fft.fft2(t(4, 4, dtype=B)), "fft-half", {"input": "BF16"}),
    "stft": (
        lambda: torch.stft(t(64, dtype=H), 16, return_complex=True, window=t(16, dtype=H)),
        "fft-half",
        {"input": "F16"},
    ),
    "inv": (lambda: torch.linalg.inv(t(2, 2, dtype=H)), "linalg-low-precision", {"input": "F16"}),
    "quantile": (lambda: torch.quantile(t(4, dtype=H), 0.5), "quantile-dtype", {}),
    "view_as_complex": (lambda: torch.view_as_complex(t(4, 2, dtype=B)), "complex-rotary", {"input": "BF16"}),
    "polar": (lambda: torch.polar(t(4), t(4, dtype=D)), "second-argument-type", {"input": "F32", "other": "F64"}),
    "numpy": (lambda: t(4, dtype=B).numpy(), "numpy-lacks-dtype", {"input": "BF16"}),
    "numpy fp8": (lambda: t(4, dtype=F8).numpy(), "numpy-lacks-dtype", {"input": "F8_E4M3"}),
    "mean": (lambda: t(4, dtype=L).mean(), "mean-integers", {"input": "I64"}),
    "std": (lambda: t(4, dtype=L).std(), "mean-integers", {}),
    "norm": (lambda: torch.linalg.norm(t(4, dtype=L)), "mean-integers", {"input": "I64"}),
    "multinomial long": (lambda: torch.multinomial(t(4, dtype=L), 1), "multinomial-half-cpu", {"input": "I64"}),
    "text": (lambda: getattr(torch, "torch.bfloat16"), "dtype-string", {"input": "BF16"}),
    "text dtype": (lambda: torch.zeros(2, dtype="float16"), "dtype-string", {}),  # type: ignore[call-overload]
    "to int8": (lambda: nn.Linear(2, 2).to(torch.int8), "module-to-integers", {"destination": "I8"}),
}


class Told(logging.Handler):
    """Keeps what a library logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def told() -> Iterator[Told]:
    """What diffusers, transformers and peft log meanwhile; said once per process by some, so their memory is emptied."""
    from transformers.utils.logging import warning_once

    getattr(warning_once, "cache_clear", lambda: None)()
    handler = Told()
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers", "peft", "accelerate")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)  # as the libraries have it, whoever silenced them before
    yield handler
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def said(call: Callable[[], object], told: Told | None = None) -> str:
    """Everything that a call says: what it raises, warns and logs, also what torch says once a process, to whoever is first."""
    always = torch.is_warn_always_enabled()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.set_warn_always(True)
        try:
            call()
            raised = ""
        except Exception as fault:  # noqa: BLE001 - whatever it is
            raised = f"{type(fault).__name__}: {fault}"
        finally:
            torch.set_warn_always(always)
    return "\n".join([*(told.lines if told else ()), *(f"UserWarning: {one.message}" for one in caught), raised])


def dtypes(text: str, row: str) -> dict[str, str] | None:
    """The dtypes by role of one row's message in a text, None if it is not there."""
    return next(
        ({o.role: o.dtype.name for o in found.operands} for found in find(text, all_rows()) if found.row.name == row), None
    )


@pytest.mark.parametrize("name", TORCH)
def test_a_message_of_torch_is_known_with_its_dtypes_by_role(name: str) -> None:
    call, row, operands = TORCH[name]
    text = said(call)
    assert text.strip(), "it ran without a word"
    assert dtypes(text, row) == operands, text
    assert [found.row.name for found in find(text, all_rows())] == [row], text


def test_a_warning_that_torch_gives_once_is_heard_though_another_test_had_it() -> None:
    call, row, operands = TORCH["rms norm"]
    assert [dtypes(said(call), row) for _ in range(2)] == [operands, operands]


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small denoiser as it is saved."""
    folder = tmp_path_factory.mktemp("unet")
    small_unet().save_pretrained(folder)
    return folder


def small_unet() -> Any:
    from diffusers import UNet2DModel

    blocks = {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    return UNet2DModel(sample_size=8, block_out_channels=(8,), norm_num_groups=4, layers_per_block=1, **blocks)


def small_wan() -> Any:
    from diffusers import WanTransformer3DModel

    sizes = {"attention_head_dim": 12, "in_channels": 4, "out_channels": 4, "text_dim": 8, "freq_dim": 8, "ffn_dim": 8}
    return WanTransformer3DModel(num_attention_heads=1, num_layers=1, rope_max_seq_len=8, **sizes)


def small_pipeline() -> Any:
    from diffusers import DDPMPipeline, DDPMScheduler

    return DDPMPipeline(small_unet(), DDPMScheduler())


def test_diffusers_says_of_a_class_without_a_list_that_it_keeps_nothing_and_that_is_no_warning(told: Told) -> None:
    text = said(lambda: small_unet().to(H), told)
    assert dtypes(text, "kept-in-fp32-none") == {}
    assert dtypes(text, "kept-in-fp32") is None


def test_diffusers_names_what_a_class_keeps_in_fp32_when_it_is_cast(told: Told) -> None:
    text = said(lambda: small_wan().to(H), told)
    (found,) = [one for one in find(text, all_rows()) if one.row.name == "kept-in-fp32"]
    assert found.values["class"] == "WanTransformer3DModel"
    assert "time_embedder" in found.values["modules"]
    assert dtypes(text, "kept-in-fp32-none") is None


def test_diffusers_takes_no_text_for_a_dtype(told: Told, unet: Path) -> None:
    from diffusers import UNet2DModel

    assert dtypes(said(lambda: UNet2DModel.from_pretrained(unet, torch_dtype="float16"), told), "dtype-not-a-dtype") == {}


def test_diffusers_advises_against_an_fp16_pipeline_on_the_cpu(told: Told) -> None:
    assert dtypes(said(lambda: small_pipeline().to(H).to("cpu"), told), "fp16-pipeline-on-cpu") == {}


def test_diffusers_refuses_a_dtype_that_is_given_twice(told: Told) -> None:
    assert dtypes(said(lambda: small_pipeline().to(H, dtype=H), told), "dtype-given-twice") == {}


def test_diffusers_renamed_the_argument(told: Told, tmp_path: Path) -> None:
    from diffusers import DDPMPipeline

    small_pipeline().save_pretrained(tmp_path)
    assert dtypes(said(lambda: DDPMPipeline.from_pretrained(tmp_path, torch_dtype=H), told), "torch-dtype-renamed") == {}
    text = said(lambda: DDPMPipeline.from_pretrained(tmp_path, variant="fp16"), told)
    assert dtypes(text, "variant-missing") == {}


def test_diffusers_misses_a_variant_of_one_component(told: Told, unet: Path) -> None:
    from diffusers import UNet2DModel

    assert dtypes(said(lambda: UNet2DModel.from_pretrained(unet, variant="fp16"), told), "variant-missing") == {}


def test_diffusers_cannot_switch_layerwise_casting_off(told: Told) -> None:
    model = small_unet()
    model.enable_layerwise_casting(storage_dtype=F8, compute_dtype=B)
    hooked = next(part for part in model.modules() if hasattr(part, "_diffusers_hook"))
    text = said(lambda: hooked._diffusers_hook.remove_hook("layerwise_casting"), told)
    assert dtypes(text, "layerwise-casting-stays") == {}


def test_diffusers_needs_low_memory_loading_for_a_keep_list(told: Told, unet: Path) -> None:
    from diffusers import WanTransformer3DModel

    text = said(lambda: WanTransformer3DModel.from_pretrained(unet, low_cpu_mem_usage=False, torch_dtype=H), told)
    assert dtypes(text, "keep-list-needs-low-memory") == {}


def test_transformers_knows_no_such_dtype_collapses_a_dict_and_casts_no_packed_model(told: Told, tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "vocab_size": 16}
    model = CLIPTextModel(CLIPTextConfig(**sizes))
    model.save_pretrained(tmp_path)
    assert dtypes(said(lambda: CLIPTextModel.from_pretrained(tmp_path, dtype="fp15"), told), "dtype-text-unknown") == {}
    text = said(lambda: CLIPTextModel.from_pretrained(tmp_path, dtype={"": H}), told)
    assert dtypes(text, "dtype-dict-collapsed") == {"destination": "F16"}
    model.is_quantized, model.quantization_method = True, "bitsandbytes"
    assert dtypes(said(model.half, told), "quantised-cast") == {}


def test_accelerate_knows_no_mixed_precision_called_fp32(told: Told) -> None:
    from accelerate import Accelerator

    assert dtypes(said(lambda: Accelerator(mixed_precision="fp32"), told), "accelerate-mode") == {}
