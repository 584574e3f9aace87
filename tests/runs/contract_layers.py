"""The calls of a network's layers: products, convolutions, norms, attention, recurrent cells, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from .contract_calls import Call


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


class _Attention(nn.MultiheadAttention):
    """nn.MultiheadAttention of one tensor with itself."""

    def __init__(self) -> None:
        super().__init__(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


LAYERS: Final = (
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
)
