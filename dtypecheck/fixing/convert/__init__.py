"""What a conversion is: from a planned pipeline and a wish to the steps of a fix plan, made of edits; nothing is written."""

from __future__ import annotations

from .index import index
from .pipeline import conversions
from .restore import restore
from .wish import Wish

__all__ = ["Wish", "conversions", "index", "restore"]
