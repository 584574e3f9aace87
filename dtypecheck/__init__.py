"""The dtype consistency linter for diffusion and transformer pipelines."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import fix, gate, rehearse, scan
    from .report import Report
    from .verbs.explain import explain
    from .verbs.watch import guard, watch

__all__ = ["Report", "__version__", "explain", "fix", "gate", "guard", "rehearse", "scan", "watch"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What `__all__` names, imported when they are first used, so that `dtypecheck --version` stays instant."""
    if name in __all__ and "IPython" in sys.modules:
        _show_in(sys.modules["IPython"].get_ipython())
    if name in ("scan", "rehearse", "fix"):
        from . import api

        return getattr(api, name)
    if name in ("watch", "guard"):
        from .verbs import watch as verb

        return getattr(verb, name)
    if name == "explain":
        from .verbs.explain import explain

        return explain
    if name == "Report":
        from .report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Package(ModuleType):
    """This package: `gate` is the function, though a package of that name lies in it, which imports find by themselves."""

    @property
    def gate(self) -> Any:
        """The function of the API."""
        from . import api

        return api.gate

    @gate.setter
    def gate(self, _: ModuleType) -> None:
        """What an import of the inner package puts here."""


sys.modules[__name__].__class__ = _Package


def _show_in(shell: Any) -> None:
    """In a notebook reports show themselves as HTML; nothing is done where there is no shell."""
    if shell is not None:
        from .notebook import show_reports

        show_reports(shell)
