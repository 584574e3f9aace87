"""Whether a fix did what its plan said and nothing else: asked after it was applied, and as far as possible before."""

from __future__ import annotations

from .check import Verified, verify
from .rehearsed import NeedsTorch, rehearsed, shadow, worse

__all__ = ["NeedsTorch", "Verified", "rehearsed", "shadow", "verify", "worse"]
