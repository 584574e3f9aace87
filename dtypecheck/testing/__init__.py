"""Rule examples as text: model directories and runs, in the notations of files.py and runs.py; for plugin authors too."""

from __future__ import annotations

from .files import Example, lay_out, safetensors
from .pages import failures, findings

__all__ = ["Example", "failures", "findings", "lay_out", "safetensors"]
