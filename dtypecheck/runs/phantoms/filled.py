"""Whether a component's files hold the weights of its class: a library fills what they lack with random numbers, and goes on."""

from __future__ import annotations

from typing import Final

import torch

from ...subjects import Component

ENOUGH: Final = 0.5
"""The least share of a class's parameters that its files hold; a head that is added, or a prefix more, leaves far more."""


def of_another(part: Component, module: torch.nn.Module) -> str:
    """What is wrong with a component whose files are of another class than the one it is loaded as; empty where nothing is.

    Only where its own config names another class than model_index.json does: names of parameters differ for many reasons.
    """
    listed = part.config.get("architectures") if part.config else None
    named = (part.config.get("_class_name") if part.config else None) or (
        listed[0] if isinstance(listed, list) and listed else None
    )
    chosen = part.loads().chosen
    if not isinstance(named, str) or named == part.klass or chosen is None:
        return ""
    stored = {tail for _, tensor in chosen.tensors() for tail in _tails(tensor.key)}
    sizes = {key: parameter.numel() for key, parameter in module.named_parameters()}
    filled = sum(size for key, size in sizes.items() if key in stored or key.partition(".")[2] in stored)
    total = sum(sizes.values())
    if not stored or not total or filled >= ENOUGH * total:
        return ""
    return (
        f"{part.label}: model_index.json names {part.klass} and its config.json {named}, and the files hold"
        f" {filled / total:.0%} of the weights of a {part.klass}: the rest would be random numbers"
    )


def _tails(key: str) -> list[str]:
    """The key without any, one or two of its first words: `text_model.` stands before it in some files and not in others."""
    words = key.split(".")
    return [".".join(words[start:]) for start in range(min(3, len(words)))]
