"""What is known of a class or checkpoint in a dtype: the rows of models.toml that fit a component."""

from __future__ import annotations

import re
from typing import Any

from ..dtypes import DType
from ..findings import Severity
from ..knowledge import Knowledge, Row
from ..subjects import Component

_MATCHERS = ("component", "config", "pipelines", "stored")


def facts(component: Component, known: Knowledge) -> Row:
    """The most specific row about this component; an empty one when nothing is known."""
    if not component.klass:
        return {}
    fitting = [row for row in known.rows("models", component.klass) if _fits(component, row)]
    return max(
        fitting, key=lambda row: sum(len(row[m]) if isinstance(row[m], dict) else 1 for m in _MATCHERS if m in row), default={}
    )


def _fits(component: Component, row: Row) -> bool:
    if "component" in row and component.name != row["component"]:
        return False
    if "pipelines" in row and component.pipeline.klass not in row["pipelines"]:
        return False
    if "stored" in row and not any(weights.main and weights.main.name == row["stored"] for weights in component.sets):
        return False
    return all(setting(component, key, row) == value for key, value in row.get("config", {}).items())


def setting(component: Component, key: str, row: Row) -> Any:
    """A value of the component's config, or the class default that the row gives for a config without it."""
    data = component.config.data if component.config else {}
    return data.get(key, row.get("config_default", {}).get(key))


def severity(row: Row, dtype: DType) -> Severity | None:
    """How bad a dtype is said to be for what a row is about; None when it is not said to be bad."""
    word: Severity | None = row.get("severity", {}).get(dtype.name)
    return word


def why(row: Row, dtype: DType) -> str:
    """The one sentence of a row on why a dtype is bad for it."""
    return str(row.get("why_" + dtype.name) or row.get("why", ""))


def layers(component: Component, row: Row) -> tuple[str, ...]:
    """The keys in the component's own files of the layers that a row names as the ones that overflow; at most the first few."""
    patterns = [re.compile(text) for text in row.get("layers", ())]
    chosen = component.loads().chosen
    if not patterns or chosen is None:
        return ()
    return tuple(t.key for _, t in chosen.tensors() if any(pattern.search(t.key) for pattern in patterns))


def force_upcast(component: Component, known: Knowledge) -> bool:
    """What a pipeline reads as `vae.config.force_upcast`: the config's value, else the class default of vae_defaults.toml."""
    data = component.config.data if component.config else {}
    default = known.row("vae_defaults", component.klass or "").get("force_upcast", False)
    return bool(data.get("force_upcast", default))
