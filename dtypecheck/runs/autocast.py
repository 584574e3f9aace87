"""What autocast of a GPU does and that of the CPU does not: norms, powers and sums of half tensors are computed in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

_NAMES: Final = """
__pow__ __rdiv__ __rpow__ __rtruediv__ acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan
pow softplus layer_norm group_norm nuclear_norm cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss
hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss
soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm
logsumexp prod softmax log_softmax cumprod cumsum norm sum vector_norm linalg_vector_norm linalg_matrix_norm
"""
WIDE: Final = frozenset(_NAMES.split())
"""source: pytorch.org/docs/stable/amp.html, "CUDA Ops that can autocast to float32"; XPU's and MPS's lists are nearly the same"""
_HALF: Final = (torch.float16, torch.bfloat16)


class Widened(TorchFunctionMode):  # type: ignore[misc]
    """Inside autocast: these functions see their half tensors as float32, unless they are told a dtype."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in WIDE and kwargs.get("dtype") is None and torch.is_autocast_enabled("cpu"):
            args = tuple(map(_wide, args))
            kwargs = {key: _wide(value) for key, value in kwargs.items()}
        return func(*args, **kwargs)


def _wide(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _HALF else value
