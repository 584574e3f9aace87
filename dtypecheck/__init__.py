"""The dtype consistency linter for diffusion and transformer pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import scan
    from .report import Report

__all__ = ["Report", "__version__", "scan"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`scan` and `Report`, imported when they are first used, so that `dtypecheck --version` stays instant."""
    if name == "scan":
        from .api import scan

        return scan
    if name == "Report":
        from .report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
