"""The calls that pipelines make, each to be run for every tuple of dtypes: one line a call, its tensors as `name=shape`.

`x=2,3` stands for all of the four wide formats in turn, `x+=2,3` for these and int64, bool and fp8, `x:i64=2` for one dtype,
`b~w=4` for whatever `w` has. A shape `-` is a scalar.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

NAMES: Final = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "i64": torch.int64,
    "bool": torch.bool,
    "f8": torch.float8_e4m3fn,
    "f8e5": torch.float8_e5m2,
    "c64": torch.complex64,
    "u8": torch.uint8,
    "i32": torch.int32,
}
WIDE: Final = ("f16", "bf16", "f32", "f64")
MORE: Final = (*WIDE, "i64", "bool", "f8")
ALL: Final = (*MORE, "i32", "u8", "f8e5")
"""For a call of one tensor."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its name, what runs, and its tensors (see the head of the file)."""

    name: str
    run: Callable[..., Any]
    tensors: str

    def slots(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor."""
        return {_name(word): _shape(word) for word in self.tensors.split()}

    def plans(self) -> Iterator[dict[str, str]]:
        """Every way to give its tensors a dtype."""
        free: dict[str, tuple[str, ...]] = {}
        tied: dict[str, str] = {}
        for word in self.tensors.split():
            left = word.split("=")[0]
            if "~" in left:
                tied[_name(word)] = left.split("~")[1]
            elif ":" in left:
                free[_name(word)] = (left.split(":")[1],)
            else:
                free[_name(word)] = MORE if left.endswith("+") else WIDE
        if list(free.values()).count(MORE) == 1 and all(len(dtypes) == 1 for dtypes in free.values() if dtypes is not MORE):
            free = {name: ALL if dtypes is MORE else dtypes for name, dtypes in free.items()}
        for dtypes in itertools.product(*free.values()):
            plan = dict(zip(free, dtypes, strict=True))
            plan |= {name: plan[other] for name, other in tied.items()}
            yield {name: plan[name] for name in self.slots()}

    def make(self, plan: Mapping[str, str], device: str) -> dict[str, torch.Tensor]:
        """Its tensors under a plan."""
        return {name: _tensor(name, shape, NAMES[plan[name]], device) for name, shape in self.slots().items()}


def _name(word: str) -> str:
    left = word.split("=")[0]
    return left.split("~")[0].split(":")[0].rstrip("+")


def _shape(word: str) -> tuple[int, ...]:
    text = word.split("=")[1]
    return () if text == "-" else tuple(int(size) for size in text.split(","))


def _tensor(name: str, shape: tuple[int, ...], dtype: torch.dtype, device: str) -> torch.Tensor:
    count = 1
    for size in shape:
        count *= size
    numbers = torch.arange(count, dtype=torch.float32).reshape(shape)
    if dtype == torch.bool or not dtype.is_floating_point:
        numbers = numbers % 2 + (name not in ("i", "m"))
    else:
        numbers = (numbers % 7 + 1) / 8
    return numbers.to(dtype).to(device)


def _rnn(kind: type[nn.Module]) -> Callable[..., Any]:
    """An RNN of torch with these weights in place of its own."""

    def run(x: torch.Tensor, w: torch.Tensor) -> Any:
        net = kind(3, 2, batch_first=True).to(x.device)
        with torch.no_grad():
            for key, value in list(net.named_parameters()):
                setattr(net, key, nn.Parameter(w.new_empty(value.shape).fill_(0.1), requires_grad=False))
        return net(x)

    return run


def _module(make: Callable[[], nn.Module]) -> Callable[..., Any]:
    """A module of torch whose parameters have the dtype of the last tensor."""

    def run(x: torch.Tensor, w: torch.Tensor) -> Any:
        net = make().to(x.device)
        for key, value in list(net.named_parameters()):
            owner = net.get_submodule(key.rpartition(".")[0])
            setattr(owner, key.rpartition(".")[2], nn.Parameter(w.new_empty(value.shape).fill_(0.1), requires_grad=False))
        return net(x)

    return run


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


CALLS: Final = (
    # products
    Call("linear", F.linear, "x=2,3 w=4,3 b=4"),
    Call("linear 3d", F.linear, "x=2,2,3 w=4,3 b=4"),
    Call("linear 4d", F.linear, "x=2,2,2,3 w=4,3 b=4"),
    Call("linear 3d not contiguous", lambda x, w, b: F.linear(x.transpose(0, 1), w, b), "x=2,2,3 w=4,3 b=4"),
    Call("linear 1d", F.linear, "x=3 w=4,3 b=4"),
    Call("linear no bias", F.linear, "x+=2,3 w+=4,3"),
    Call("linear no bias 3d", F.linear, "x=2,2,3 w=4,3"),
    Call("linear no bias 1d", F.linear, "x=3 w=4,3"),
    Call("linear one dtype", F.linear, "x+=2,3 w~x=4,3 b~x=4"),
    Call("linear fp8 weight", F.linear, "x=2,3 w:f8=4,3 b=4"),
    Call("mm", torch.mm, "x=2,3 w=3,4"),
    Call("matmul 2d", torch.matmul, "x=2,3 w=3,4"),
    Call("matmul 3d", torch.matmul, "x=2,2,3 w=2,3,4"),
    Call("matmul 3d 2d", torch.matmul, "x=2,2,3 w=3,4"),
    Call("matmul 2d 3d", torch.matmul, "x=2,3 w=2,3,4"),
    Call("matmul 4d", torch.matmul, "x=1,2,2,3 w=1,2,3,4"),
    Call("matmul 2d 1d", torch.matmul, "x=2,3 w=3"),
    Call("matmul 1d 2d", torch.matmul, "x=3 w=3,2"),
    Call("matmul 1d", torch.matmul, "x=3 w=3"),
    Call("linear large", F.linear, "x=2,32,64 w=64,64 b=64"),
    Call("linear large no bias", F.linear, "x=2,32,64 w=64,64"),
    Call("bmm large", torch.bmm, "x+=2,16,16 w+=2,16,16"),
    Call("bmm large one batch", torch.bmm, "x=1,16,16 w=1,16,16"),
    Call("baddbmm large", torch.baddbmm, "b=2,16,16 x=2,16,16 w=2,16,16"),
    Call("bmm", torch.bmm, "x+=2,2,3 w+=2,3,4"),
    Call("addmm", torch.addmm, "b=4 x=2,3 w=3,4"),
    Call("addmm 2d", torch.addmm, "b=2,4 x=2,3 w=3,4"),
    Call("addmm_", lambda b, x, w: b.clone().addmm_(x, w), "b=2,4 x=2,3 w=3,4"),
    Call("baddbmm", torch.baddbmm, "b=2,2,4 x=2,2,3 w=2,3,4"),
    Call("baddbmm beta 0", lambda b, x, w: torch.baddbmm(b, x, w, beta=0, alpha=0.5), "b=2,2,4 x=2,2,3 w=2,3,4"),
    Call("addbmm", torch.addbmm, "b=2,4 x=2,2,3 w=2,3,4"),
    Call("mv", torch.mv, "x=2,3 w=3"),
    Call("addmv", torch.addmv, "b=2 x=2,3 w=3"),
    Call("dot", torch.dot, "x=3 w=3"),
    Call("vdot", torch.vdot, "x=3 w=3"),
    Call("inner", torch.inner, "x=2,3 w=2,3"),
    Call("outer", torch.outer, "x=3 w=2"),
    Call("addr", torch.addr, "b=3,2 x=3 w=2"),
    Call("einsum bij,bjk", lambda x, w: torch.einsum("bij,bjk->bik", x, w), "x=2,2,3 w=2,3,4"),
    Call("einsum i,j", lambda x, w: torch.einsum("i,j->ij", x, w), "x=3 w=2"),
    Call("einsum ...n,d", lambda x, w: torch.einsum("...n,d->...nd", x, w), "x=2,3 w=4"),
    Call("einsum bhid,bhjd", lambda x, w: torch.einsum("bhid,bhjd->bhij", x, w), "x=1,2,2,3 w=1,2,2,3"),
    Call("einsum nchw,ok", lambda x, w: torch.einsum("nhwpqc->nchpwq", x) + w, "x=1,2,2,1,1,2 w=-"),
    Call("tensordot", lambda x, w: torch.tensordot(x, w, dims=1), "x=2,3 w=3,4"),
    Call("kron", torch.kron, "x=2,2 w=2,2"),
    Call("chain_matmul", lambda x, w: torch.linalg.multi_dot([x, w]), "x=2,3 w=3,4"),
    Call("bilinear", F.bilinear, "x=2,3 y=2,3 w=4,3,3 b=4"),
    # convolution
    Call("conv1d", F.conv1d, "x=1,2,5 w=3,2,3 b=3"),
    Call("conv1d no bias", F.conv1d, "x=1,2,5 w=3,2,3"),
    Call("conv2d", F.conv2d, "x=1,2,5,5 w=3,2,3,3 b=3"),
    Call("conv2d no bias", F.conv2d, "x+=1,2,5,5 w+=3,2,3,3"),
    Call("conv2d 1x1 no bias", F.conv2d, "x=1,2,5,5 w=3,2,1,1"),
    Call("conv2d unbatched", F.conv2d, "x=2,5,5 w=3,2,3,3"),
    Call("conv2d depthwise", lambda x, w, b: F.conv2d(x, w, b, groups=2), "x=1,2,5,5 w=2,1,3,3 b=2"),
    Call("conv2d depthwise no bias", lambda x, w: F.conv2d(x, w, groups=2), "x=1,2,5,5 w=2,1,3,3"),
    Call("conv2d dilated no bias", lambda x, w: F.conv2d(x, w, dilation=2), "x=1,2,5,5 w=3,2,3,3"),
    Call("conv2d stride no bias", lambda x, w: F.conv2d(x, w, stride=2, padding=1), "x=1,2,5,5 w=3,2,3,3"),
    Call("conv2d same", lambda x, w, b: F.conv2d(x, w, b, padding="same"), "x=1,2,5,5 w=3,2,3,3 b=3"),
    Call("conv3d", F.conv3d, "x=1,2,3,5,5 w=3,2,3,3,3 b=3"),
    Call("conv3d no bias", F.conv3d, "x=1,2,3,5,5 w=3,2,3,3,3"),
    Call("conv2d one dtype", F.conv2d, "x+=1,2,5,5 w~x=3,2,3,3 b~x=3"),
    Call("conv3d one dtype", F.conv3d, "x+=1,2,3,5,5 w~x=3,2,3,3,3 b~x=3"),
    Call("conv_transpose1d", F.conv_transpose1d, "x=1,2,5 w=2,3,3 b=3"),
    Call("conv_transpose2d", F.conv_transpose2d, "x=1,2,5,5 w=2,3,3,3 b=3"),
    Call("conv_transpose2d no bias", F.conv_transpose2d, "x=1,2,5,5 w=2,3,3,3"),
    Call("conv_transpose3d", F.conv_transpose3d, "x=1,2,3,5,5 w=2,3,3,3,3 b=3"),
    Call("unfold", lambda x: F.unfold(x, 2), "x+=1,2,4,4"),
    Call("fold", lambda x: F.fold(x, (3, 3), 2), "x+=1,8,4"),
    Call("weight norm conv", lambda x, g, v: F.conv1d(x, torch._weight_norm(v, g, 0)), "x=1,2,5 g=3,1,1 v=3,2,3"),
    Call("conv2d batch", F.conv2d, "x=2,4,8,8 w=3,4,3,3 b=3"),
    Call("conv2d batch no bias", F.conv2d, "x=2,4,8,8 w=3,4,3,3"),
    Call("conv3d large", F.conv3d, "x=1,8,3,16,16 w=8,8,3,3,3 b=8"),
    Call("conv_transpose3d no bias", F.conv_transpose3d, "x=1,2,3,5,5 w=2,3,3,3,3"),
    # norms
    Call("layer_norm", lambda x, w, b: F.layer_norm(x, (3,), w, b), "x=2,3 w=3 b=3"),
    Call("layer_norm no bias", lambda x, w: F.layer_norm(x, (3,), w), "x+=2,3 w+=3"),
    Call("layer_norm plain", lambda x: F.layer_norm(x, (3,)), "x+=2,3"),
    Call("layer_norm bias only", lambda x, b: F.layer_norm(x, (3,), None, b), "x=2,3 b=3"),
    Call("group_norm", lambda x, w, b: F.group_norm(x, 2, w, b), "x=1,4,3,3 w=4 b=4"),
    Call("group_norm no bias", lambda x, w: F.group_norm(x, 2, w), "x=1,4,3,3 w=4"),
    Call(
        "group_norm channels last",
        lambda x, w, b: F.group_norm(x.contiguous(memory_format=torch.channels_last), 2, w, b),
        "x=1,4,3,3 w=4 b~w=4",
    ),
    Call("group_norm plain", lambda x: F.group_norm(x, 2), "x+=1,4,3,3"),
    Call("batch_norm", lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b), "x=2,3,2 m=3 v~m=3 w=3 b~w=3"),
    Call("batch_norm statistics", lambda x, m, v: F.batch_norm(x, m, v), "x=2,3,2 m=3 v=3"),
    Call("batch_norm affine", lambda x, m, w, b: F.batch_norm(x, m, m, w, b), "x=2,3,2 m=3 w=3 b=3"),
    Call("batch_norm training", lambda x, m, v: F.batch_norm(x, m, v, training=True), "x=2,3,2 m:f32=3 v~m=3"),
    Call("instance_norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), "x=2,3,4 w=3 b=3"),
    Call("instance_norm plain", lambda x: F.instance_norm(x), "x=2,3,4"),
    Call("rms_norm", lambda x, w: F.rms_norm(x, (3,), w), "x+=2,3 w+=3"),
    Call("rms_norm plain", lambda x: F.rms_norm(x, (3,)), "x+=2,3"),
    Call("normalize", F.normalize, "x+=2,3"),
    Call("norm", lambda x: torch.norm(x, dim=-1), "x+=2,3"),
    Call("linalg vector_norm", lambda x: torch.linalg.vector_norm(x), "x+=2,3"),
    Call("local_response_norm", lambda x: F.local_response_norm(x, 2), "x=1,4,3"),
    # attention
    Call("sdpa", F.scaled_dot_product_attention, "q=1,2,4,8 k=1,2,4,8 v=1,2,4,8"),
    Call(
        "sdpa mask",
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        "q=1,2,4,8 k~q=1,2,4,8 v~q=1,2,4,8 m+=1,1,4,4",
    ),
    Call(
        "sdpa wide mask",
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        "q=2,2,4,8 k~q=2,2,6,8 v~q=2,2,6,8 m+=2,2,4,6",
    ),
    Call("sdpa mask 3d", lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), "q=2,4,8 k~q=2,4,8 v~q=2,4,8 m+=2,4,4"),
    Call("sdpa causal", lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), "q+=1,2,4,8"),
    Call("sdpa one head", lambda q: F.scaled_dot_product_attention(q, q, q), "q+=1,1,4,512"),
    Call("multi head attention", _module(lambda: _Attention()), "x=2,3,4 w=-"),
    Call("softmax", lambda x: F.softmax(x, dim=-1), "x+=2,3"),
    Call("softmax to f32", lambda x: F.softmax(x, dim=-1, dtype=torch.float32), "x+=2,3"),
    Call("log_softmax", lambda x: F.log_softmax(x, dim=-1), "x+=2,3"),
    # recurrent
    Call("lstm", _rnn(nn.LSTM), "x=1,2,3 w=-"),
    Call("gru", _rnn(nn.GRU), "x=1,2,3 w=-"),
    Call("rnn", _rnn(nn.RNN), "x=1,2,3 w=-"),
    Call("lstm cell", _module(lambda: nn.LSTMCell(3, 2)), "x=1,3 w=-"),
    Call("gru cell", _module(lambda: nn.GRUCell(3, 2)), "x=1,3 w=-"),
    # activations
    *(Call(name, getattr(F, name), "x+=2,4") for name in ("silu", "gelu", "relu", "sigmoid", "tanh", "softplus", "mish", "elu")),
    *(Call(name, getattr(F, name), "x+=2,4") for name in ("hardswish", "hardsigmoid", "leaky_relu", "logsigmoid", "relu6")),
    Call("gelu tanh", lambda x: F.gelu(x, approximate="tanh"), "x+=2,4"),
    Call("glu", F.glu, "x+=2,4"),
    Call("prelu", F.prelu, "x=2,4 w=4"),
    Call("dropout", lambda x: F.dropout(x, 0.5, training=False), "x+=2,4"),
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


class _Attention(nn.MultiheadAttention):
    """nn.MultiheadAttention of one tensor with itself."""

    def __init__(self) -> None:
        super().__init__(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]
