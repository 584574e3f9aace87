"""Words about a gate that several formats share: what was not looked at, and the verdict last."""

from __future__ import annotations

from ..subjects.gated import Gate


def lines(gate: Gate) -> tuple[str, ...]:
    """What was not looked at, a line each, then the verdict and because of what."""
    unseen = (f"not checked: {text}" + (" (required)" if text in gate.lacking else "") for text in gate.unchecked)
    return (*unseen, f"{gate.verdict}: {gate.because}")
