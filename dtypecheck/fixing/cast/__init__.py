"""Writes a safetensors file out of others, streaming, and casts on the way bit for bit as torch does."""

from __future__ import annotations

from .layout import Layout, Part, laid_out
from .losses import Losses, losses
from .tally import Overflow, Tally
from .write import Written, write

__all__ = ["Layout", "Losses", "Overflow", "Part", "Tally", "Written", "laid_out", "losses", "write"]
