"""The calls of the code between layers: by index, into a tensor, of two tensors that are promoted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch.nn import functional as F  # noqa: N812

from .contract_calls import Call


def _put(x: torch.Tensor, i: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[i] = y
    return x


def _slice(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[0:1] = y
    return x


def _into(name: str, *more: Any, **words: Any) -> Callable[..., Any]:
    """A method that writes into a copy of its first tensor."""

    def run(x: torch.Tensor, *rest: Any) -> Any:
        return getattr(x.clone(), name)(*more, *rest, **words)

    return run


def _fill(name: str, value: float) -> Callable[..., Any]:
    def run(x: torch.Tensor, m: torch.Tensor) -> Any:
        return getattr(x, name)(m, value)

    return run


GLUE: Final = (
    # indices
    Call("embedding", F.embedding, "i+=3 w=4,3"),
    Call("embedding int32", F.embedding, "i:i32=3 w+=4,3"),
    Call("embedding uint8", F.embedding, "i:u8=3 w=4,3"),
    Call("one_hot", lambda i: F.one_hot(i, 3), "i+=3"),
    Call("gather", lambda x, i: torch.gather(x, 1, i), "x+=2,3 i+=2,2"),
    Call("index_select", lambda x, i: torch.index_select(x, 0, i), "x+=2,3 i+=2"),
    Call("index by tensor", lambda x, i: x[i], "x+=2,3 i:i64=2"),
    Call("index by float", lambda x, i: x[i], "x=2,3 i=2"),
    Call("take_along_dim", lambda x, i: torch.take_along_dim(x, i, 1), "x+=2,3 i:i64=2,2"),
    Call("index put", _put, "x+=2,3 i:i64=2 y+=2,3"),
    Call("index put mask", _put, "x=4,3 i:bool=4 y=2,3"),
    Call("index put whole mask", _put, "x=4,3 i:bool=4,3 y=6"),
    Call("index put scalar tensor", _put, "x=4,3 i:bool=4,3 y=-"),
    Call("index put scalar tensor by number", _put, "x=4,3 i:i64=2 y=-"),
    Call("index put number", lambda x, i: _put(x, i, 1e9), "x=4,3 i:bool=4"),  # type: ignore[arg-type]
    Call("slice assign", _slice, "x+=2,3 y+=1,3"),
    Call("scatter", lambda x, i, y: x.scatter(1, i, y), "x=2,3 i:i64=2,2 y=2,2"),
    Call("scatter_", _into("scatter_", 1), "x=2,3 i:i64=2,2 y=2,2"),
    Call("scatter_add", lambda x, i, y: x.scatter_add(1, i, y), "x=2,3 i:i64=2,2 y=2,2"),
    Call("scatter_reduce", lambda x, i, y: x.scatter_reduce(1, i, y, "sum"), "x=2,3 i:i64=2,2 y=2,2"),
    Call("scatter number", lambda x, i: x.scatter(1, i, 1e9), "x=2,3 i:i64=2,2"),
    Call("index_add", lambda x, i, y: x.index_add(0, i, y), "x+=2,3 i:i64=2 y+=2,3"),
    Call("index_add_", _into("index_add_", 0), "x=2,3 i:i64=2 y=2,3"),
    Call("index_copy", lambda x, i, y: x.index_copy(0, i, y), "x=2,3 i:i64=2 y=2,3"),
    Call("index_copy_", _into("index_copy_", 0), "x=2,3 i:i64=2 y=2,3"),
    Call("index_fill", lambda x, i: x.index_fill(0, i, 1e9), "x=2,3 i:i64=2"),
    Call("masked_scatter", lambda x, m, y: x.masked_scatter(m, y), "x=2,3 m:bool=2,3 y=2,3"),
    Call("masked_scatter_", _into("masked_scatter_"), "x=2,3 m:bool=2,3 y=2,3"),
    Call("masked_fill 1e9", _fill("masked_fill", -1e9), "x+=2,3 m:bool=2,3"),
    Call("masked_fill 1e4", _fill("masked_fill", -1e4), "x+=2,3 m:bool=2,3"),
    Call("masked_fill -inf", _fill("masked_fill", float("-inf")), "x+=2,3 m:bool=2,3"),
    Call("masked_fill f32 min", _fill("masked_fill", torch.finfo(torch.float32).min), "x+=2,3 m:bool=2,3"),
    Call("masked_fill_ f32 min", lambda x, m: x.clone().masked_fill_(m, torch.finfo(torch.float32).min), "x+=2,3 m:bool=2,3"),
    Call("masked_fill tensor", lambda x, m, v: x.masked_fill(m, v), "x+=2,3 m:bool=2,3 v=-"),
    Call("masked_fill float mask", _fill("masked_fill", 0.0), "x=2,3 m+=2,3"),
    Call("fill_ 1e9", lambda x: x.clone().fill_(1e9), "x+=2,3"),
    Call("full 1e9", lambda x: torch.full((2,), 1e9, dtype=x.dtype, device=x.device), "x+=1"),
    Call("full_like f32 min", lambda x: torch.full_like(x, torch.finfo(torch.float32).min), "x+=1"),
    Call("new_full 1e9", lambda x: x.new_full((2,), 1e9), "x+=1"),
    Call("add 1e9", lambda x: x + 1e9, "x+=2,3"),
    Call("clamp 1e9", lambda x: x.clamp(-1e9, 1e9), "x+=2,3"),
    Call("where number", lambda m, x: torch.where(m, x, -1e9), "m:bool=2,3 x+=2,3"),
    # promotion
    Call("add", torch.add, "x+=2,3 y+=2,3"),
    Call("sub", torch.sub, "x+=2,3 y+=2,3"),
    Call("mul", torch.mul, "x+=2,3 y+=2,3"),
    Call("div", torch.div, "x+=2,3 y+=2,3"),
    Call("mul number", lambda x: x * 0.5, "x+=2,3"),
    Call("mul_ number", lambda x: x.clone().mul_(0.5), "x+=2,3"),
    Call("div number", lambda x: x / 2, "x+=2,3"),
    Call("add number", lambda x: x + 1, "x+=2,3"),
    Call("add_ number", lambda x: x.clone().add_(0.5), "x+=2,3"),
    Call("mul scalar tensor", torch.mul, "x+=2,3 y+=-"),
    *(Call(name, getattr(torch, name), "x+=2,3 y+=2,3") for name in ("ne", "le", "gt", "ge", "minimum", "fmod", "floor_divide")),
    *(Call(name, getattr(torch, name), "x+=2,3 y+=2,3") for name in ("logical_or", "bitwise_or", "bitwise_xor")),
    *(Call(f"{name}_", _into(f"{name}_"), "x+=2,3") for name in ("relu", "sigmoid", "exp", "sqrt", "neg", "tanh")),
    Call("add scalar tensor", torch.add, "x+=2,3 y+=-"),
    Call("add_", lambda x, y: x.clone().add_(y), "x+=2,3 y+=2,3"),
    Call("mul_", lambda x, y: x.clone().mul_(y), "x+=2,3 y+=2,3"),
    Call("div_", lambda x, y: x.clone().div_(y), "x+=2,3 y+=2,3"),
    Call("add alpha", lambda x, y: torch.add(x, y, alpha=0.5), "x=2,3 y=2,3"),
    Call("pow", torch.pow, "x+=2,3 y+=2,3"),
    Call("pow 2", lambda x: x**2, "x+=2,3"),
    Call("pow half", lambda x: x**0.5, "x+=2,3"),
    Call("remainder", torch.remainder, "x+=2,3 y+=2,3"),
    Call("maximum", torch.maximum, "x+=2,3 y+=2,3"),
    Call("where", torch.where, "m:bool=2,3 x+=2,3 y+=2,3"),
    Call("where float condition", torch.where, "m=2,3 x:f32=2,3 y:f32=2,3"),
    Call("cat", lambda x, y: torch.cat([x, y]), "x+=2,3 y+=2,3"),
    Call("stack", lambda x, y: torch.stack([x, y]), "x+=2,3 y+=2,3"),
    Call("addcmul", torch.addcmul, "x=2,3 y=2,3 z=2,3"),
    Call("addcdiv", torch.addcdiv, "x=2,3 y=2,3 z=2,3"),
    Call("lerp number", lambda x, y: torch.lerp(x, y, 0.5), "x+=2,3 y+=2,3"),
    Call("lerp", torch.lerp, "x=2,3 y=2,3 w=2,3"),
    Call("lerp scalar tensor", torch.lerp, "x=2,3 y=2,3 w=-"),
    Call("lerp_", lambda x, y, w: x.clone().lerp_(y, w), "x=2,3 y=2,3 w=-"),
    Call("atan2", torch.atan2, "x=2,3 y=2,3"),
    Call("eq", torch.eq, "x+=2,3 y+=2,3"),
    Call("lt", torch.lt, "x+=2,3 y+=2,3"),
    Call("logical_and", torch.logical_and, "x+=2,3 y+=2,3"),
    Call("bitwise_and", lambda x, y: x & y, "x+=2,3 y+=2,3"),
    Call("bitwise_not", lambda x: ~x, "x+=2,3"),
    Call("isclose", torch.isclose, "x=2,3 y=2,3"),
    Call("searchsorted", torch.searchsorted, "x=4 y=3"),
    Call("bucketize", torch.bucketize, "x=3 y=4"),
    Call("cross", lambda x, y: torch.linalg.cross(x, y), "x=2,3 y=2,3"),
    Call("cosine_similarity", F.cosine_similarity, "x=2,3 y=2,3"),
    Call("mse_loss", F.mse_loss, "x=2,3 y=2,3"),
    Call("l1_loss", F.l1_loss, "x=2,3 y=2,3"),
    Call("smooth_l1_loss", F.smooth_l1_loss, "x=2,3 y=2,3"),
    Call("cross_entropy", F.cross_entropy, "x=2,3 i:i64=2"),
    Call("binary_cross_entropy", F.binary_cross_entropy, "x=2,3 y=2,3"),
    Call("grid_sample", lambda x, g: F.grid_sample(x, g, align_corners=False), "x=1,2,3,3 g=1,2,2,2"),
    Call(
        "grid_sample bicubic",
        lambda x, g: F.grid_sample(x, g, mode="bicubic", padding_mode="reflection", align_corners=True),
        "x=1,2,3,3 g=1,2,2,2",
    ),
    Call("grid_sample 3d", lambda x, g: F.grid_sample(x, g, align_corners=False), "x=1,2,3,3,3 g=1,2,2,2,3"),
    Call("affine_grid", lambda t: F.affine_grid(t, [1, 1, 2, 2], align_corners=False), "t=1,2,3"),
    Call("complex", torch.complex, "x=2,3 y=2,3"),
    Call("polar", torch.polar, "x=2,3 y=2,3"),
    Call("view_as_complex", torch.view_as_complex, "x+=2,2"),
    Call("view_as_real", torch.view_as_real, "x:c64=2,2"),
    Call("complex times", torch.mul, "x:c64=2,3 y+=2,3"),
    Call("rope", lambda x, f: torch.view_as_real(torch.view_as_complex(x.float().reshape(2, 2, 2)) * f), "x+=2,4 f:c64=2"),
)
