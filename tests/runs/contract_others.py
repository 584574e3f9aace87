"""The calls on one tensor, on pictures and sounds, and linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch.nn import functional as F  # noqa: N812

from .contract_calls import Call


def _resize(mode: str, **words: Any) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> Any:
        return F.interpolate(x, scale_factor=2.0, mode=mode, **words)

    return run


def _shrink(mode: str, **words: Any) -> Callable[..., Any]:
    def run(x: torch.Tensor) -> Any:
        return F.interpolate(x, size=(2,) * (x.dim() - 2), mode=mode, **words)

    return run


def _eye(x: torch.Tensor) -> torch.Tensor:
    return torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)


OTHERS: Final = (
    # one tensor
    Call("cumsum", lambda x: x.cumsum(-1), "x+=2,3"),
    Call("cumprod", lambda x: x.cumprod(-1), "x+=2,3"),
    Call("sum", lambda x: x.sum(-1), "x+=2,3"),
    Call("mean", lambda x: x.mean(-1), "x+=2,3"),
    Call("var", lambda x: x.var(-1), "x+=2,3"),
    Call("std", lambda x: x.std(-1), "x+=2,3"),
    Call("var_mean", lambda x: torch.var_mean(x, -1), "x+=2,3"),
    Call("prod", lambda x: x.prod(-1), "x+=2,3"),
    Call("amax", lambda x: x.amax(-1), "x+=2,3"),
    Call("max", lambda x: x.max(-1), "x+=2,3"),
    Call("argmax", lambda x: x.argmax(-1), "x+=2,3"),
    Call("logsumexp", lambda x: x.logsumexp(-1), "x+=2,3"),
    Call("median", lambda x: x.median(-1), "x+=2,3"),
    Call("quantile", lambda x: torch.quantile(x, 0.5), "x+=2,3"),
    Call("quantile tensor", torch.quantile, "x=2,3 q=2"),
    Call("sort", lambda x: x.sort(-1), "x+=2,3"),
    Call("argsort", lambda x: x.argsort(-1), "x+=2,3"),
    Call("topk", lambda x: x.topk(2, -1), "x+=2,3"),
    Call("kthvalue", lambda x: x.kthvalue(2, -1), "x+=2,3"),
    Call("multinomial", lambda x: torch.multinomial(x, 1), "x+=2,3"),
    Call("bernoulli", torch.bernoulli, "x+=2,3"),
    Call("histc", lambda x: torch.histc(x, 3), "x+=6"),
    Call("unique", lambda x: torch.unique(x), "x+=6"),
    Call("nonzero", lambda x: torch.nonzero(x), "x+=6"),
    *(
        Call(name, getattr(torch, name), "x+=2,3")
        for name in (
            *("exp", "log", "sin", "cos", "tan", "sqrt", "rsqrt", "reciprocal", "abs", "neg", "sign", "floor", "round"),
            *("trunc", "erf", "erfinv", "log1p", "expm1", "log2", "log10", "isnan", "isinf", "isfinite", "sinc", "square"),
            *(
                "angle",
                "lgamma",
                "acos",
                "atan",
                "sinh",
                "logit",
                "frac",
                "nan_to_num",
                "logical_not",
                "all",
                "any",
                "special.i0",
            ),
        )
        if "." not in name
    ),
    Call("i0", lambda x: torch.special.i0(x), "x+=2,3"),
    Call("entr", lambda x: torch.special.entr(x), "x+=2,3"),
    Call("clamp", lambda x: x.clamp(-1, 1), "x+=2,3"),
    Call("clamp tensor", torch.clamp, "x=2,3 y=2,3"),
    Call("tril", torch.tril, "x+=2,3"),
    Call("triu", torch.triu, "x+=2,3"),
    Call("flip", lambda x: x.flip(0), "x+=2,3"),
    Call("roll", lambda x: x.roll(1), "x+=2,3"),
    Call("repeat_interleave", lambda x: x.repeat_interleave(2, 0), "x+=2,3"),
    Call("diff", lambda x: x.diff(), "x+=2,3"),
    Call("diag_embed", lambda x: torch.diag_embed(x), "x+=2,3"),
    Call("meshgrid", lambda x, y: torch.meshgrid(x, y, indexing="ij"), "x=2 y=3"),
    Call("clone", lambda x: x.clone(), "x+=2,3"),
    Call("to f16", lambda x: x.to(torch.float16), "x+=2,3"),
    Call("to f8", lambda x: x.to(torch.float8_e4m3fn), "x+=2,3"),
    Call("to f64", lambda x: x.to(torch.float64), "x+=2,3"),
    Call("zeros_like", torch.zeros_like, "x+=2,3"),
    Call("randn", lambda x: torch.randn(2, 3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("rand", lambda x: torch.rand(2, 3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("randn_like", torch.randn_like, "x+=2,3"),
    Call("normal_", lambda x: x.clone().normal_(), "x+=2,3"),
    Call("uniform_", lambda x: x.clone().uniform_(), "x+=2,3"),
    Call("randperm", lambda x: torch.randperm(3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("arange", lambda x: torch.arange(3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("arange fractions", lambda x: torch.arange(0, 1, 0.25, dtype=x.dtype, device=x.device), "x+=1"),
    Call("linspace", lambda x: torch.linspace(0, 1, 3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("logspace", lambda x: torch.logspace(0, 1, 3, dtype=x.dtype, device=x.device), "x+=1"),
    Call("eye", _eye, "x+=2,3"),
    Call("zeros", lambda x: torch.zeros(2, dtype=x.dtype, device=x.device), "x+=1"),
    Call("ones", lambda x: torch.ones(2, dtype=x.dtype, device=x.device), "x+=1"),
    Call("hann_window", lambda x: torch.hann_window(4, dtype=x.dtype, device=x.device), "x+=1"),
    Call("finfo", lambda x: torch.tensor(torch.finfo(torch.float32).min, dtype=x.dtype, device=x.device), "x=1"),
    # images and sound
    Call("interpolate nearest", _resize("nearest"), "x+=1,2,3,3"),
    Call("interpolate nearest-exact", _resize("nearest-exact"), "x+=1,2,3,3"),
    Call("interpolate bilinear", _resize("bilinear"), "x+=1,2,3,3"),
    Call("interpolate bicubic", _resize("bicubic"), "x+=1,2,3,3"),
    Call("interpolate area", _shrink("area"), "x+=1,2,4,4"),
    Call("interpolate bilinear antialias", _shrink("bilinear", antialias=True), "x+=1,2,4,4"),
    Call("interpolate bicubic antialias", _shrink("bicubic", antialias=True), "x+=1,2,4,4"),
    Call("interpolate linear", _resize("linear"), "x+=1,2,3"),
    Call("interpolate nearest 1d", _resize("nearest"), "x+=1,2,3"),
    Call("interpolate nearest 3d", _resize("nearest"), "x+=1,2,3,3,3"),
    Call("interpolate trilinear", _resize("trilinear"), "x+=1,2,3,3,3"),
    Call("pad", lambda x: F.pad(x, (1, 1)), "x+=1,2,3"),
    Call("pad value", lambda x: F.pad(x, (1, 1), value=-1e9), "x+=1,2,3"),
    Call("pad reflect", lambda x: F.pad(x, (1, 1), mode="reflect"), "x+=1,2,3"),
    Call("pad reflect 2d", lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "x+=1,2,3,3"),
    Call("pad replicate", lambda x: F.pad(x, (1, 1), mode="replicate"), "x+=1,2,3"),
    Call("pad replicate 3d", lambda x: F.pad(x, (1, 1, 1, 1, 1, 1), mode="replicate"), "x+=1,2,3,3,3"),
    Call("pad circular", lambda x: F.pad(x, (1, 1), mode="circular"), "x+=1,2,3"),
    Call("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), "x+=1,4,2,2"),
    Call("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), "x+=1,1,4,4"),
    Call("channel_shuffle", lambda x: F.channel_shuffle(x, 2), "x+=1,4,2,2"),
    Call("avg_pool1d", lambda x: F.avg_pool1d(x, 2), "x+=1,2,4"),
    Call("avg_pool2d", lambda x: F.avg_pool2d(x, 2), "x+=1,2,4,4"),
    Call("avg_pool3d", lambda x: F.avg_pool3d(x, 2), "x+=1,2,4,4,4"),
    Call("max_pool1d", lambda x: F.max_pool1d(x, 2), "x+=1,2,4"),
    Call("max_pool2d", lambda x: F.max_pool2d(x, 2), "x+=1,2,4,4"),
    Call("max_pool3d", lambda x: F.max_pool3d(x, 2), "x+=1,2,4,4,4"),
    Call("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 2), "x+=1,2,4"),
    Call("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 2), "x+=1,2,4,4"),
    Call("adaptive_avg_pool2d 1", lambda x: F.adaptive_avg_pool2d(x, 1), "x+=1,2,4,4"),
    Call("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, 2), "x+=1,2,4,4"),
    Call("fft", lambda x: torch.fft.fftn(x, dim=(-2, -1)), "x+=2,4"),
    Call("fft odd size", lambda x: torch.fft.fftn(x, dim=(-2, -1)), "x+=3,6"),
    Call("rfft", lambda x: torch.fft.rfft(x), "x+=2,4"),
    Call("rfft2", lambda x: torch.fft.rfft2(x), "x+=2,4"),
    Call("ifft", lambda x: torch.fft.ifft(x), "x+=2,4"),
    Call("irfft", lambda x: torch.fft.irfft(x, n=4), "x+=2,3"),
    Call("fftfreq", lambda x: torch.fft.fftfreq(4, dtype=x.dtype, device=x.device), "x=1"),
    Call("fftshift", lambda x: torch.fft.fftshift(x), "x+=2,4"),
    Call("stft", lambda x, w: torch.stft(x, 8, window=w, return_complex=True), "x=2,16 w=8"),
    Call("istft", lambda w: torch.istft(torch.ones(5, 9, dtype=torch.complex64, device=w.device), 8, window=w), "w=8"),
    # linear algebra
    Call("cdist", torch.cdist, "x=2,3 y=2,3"),
    Call("cdist large", lambda x, y: torch.cdist(x, y), "x=26,3 y=26,3"),
    Call("pairwise_distance", F.pairwise_distance, "x=2,3 y=2,3"),
    Call("svd", lambda x: torch.linalg.svd(_eye(x)), "x+=2,3"),
    Call("svdvals", lambda x: torch.linalg.svdvals(_eye(x)), "x=2,3"),
    Call("qr", lambda x: torch.linalg.qr(_eye(x)), "x=2,3"),
    Call("cholesky", lambda x: torch.linalg.cholesky(_eye(x)), "x=2,3"),
    Call("inv", lambda x: torch.linalg.inv(_eye(x)), "x=2,3"),
    Call("det", lambda x: torch.linalg.det(_eye(x)), "x=2,3"),
    Call("solve", lambda x, y: torch.linalg.solve(_eye(x), y), "x=2,3 y=3,2"),
    Call("lstsq", lambda x, y: torch.linalg.lstsq(_eye(x), y), "x=2,3 y=3,2"),
    Call("eigh", lambda x: torch.linalg.eigh(_eye(x)), "x=2,3"),
    Call("eigvalsh", lambda x: torch.linalg.eigvalsh(_eye(x)), "x=2,3"),
    Call("pinv", lambda x: torch.linalg.pinv(_eye(x)), "x=2,3"),
    Call("matrix_exp", lambda x: torch.linalg.matrix_exp(_eye(x)), "x=2,3"),
    Call("matrix_norm", lambda x: torch.linalg.matrix_norm(x), "x=2,3"),
    Call("numpy", lambda x: x.numpy(force=True), "x+=2,3"),
    Call("item", lambda x: x.flatten()[0].item(), "x+=2,3"),
    Call("tolist", lambda x: x.tolist(), "x+=2,3"),
)
