"""Listening to a real run: which module had which dtype, how near the limit it came, where the numbers stopped being finite."""

from __future__ import annotations

from .listen import Listening, Options, listen
from .script import watch_script

__all__ = ["Listening", "Options", "listen", "watch_script"]
