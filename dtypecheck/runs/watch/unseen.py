"""Our own operators on somebody's tensors, which no mode and no gradient of theirs is to see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def unseen() -> Iterator[None]:
    """Operators run as they are meanwhile: no gradient, no torch function or dispatch mode, none of our own either."""
    with torch.no_grad(), torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
        yield
