"""The numbers of the weights as JSON: one object for each set of weights, with every tensor that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..subjects.values import Counted, Narrowed, Numbers, Survey


def values(surveys: Iterable[Survey]) -> list[dict[str, Any]]:
    """Sorted as the pipelines and their components are; counts are numbers, abs max is null where nothing is finite."""
    return [
        _set(survey, part.component.name, counted)
        for survey in sorted(surveys, key=lambda survey: survey.pipeline.path)
        for part in survey.values
        for counted in part.sets
    ]


def _set(survey: Survey, component: str, counted: Counted) -> dict[str, Any]:
    root = f"{survey.pipeline.root}/" if survey.pipeline.root else ""
    return {
        "pipeline": survey.pipeline.path,
        "component": component,
        "weights": root + counted.weights.where.path,
        "loaded": counted.chosen,
        "depth": survey.depth,
        "dtypes": [dtype.name for dtype in counted.dtypes],
        "numbers": counted.elements,
        "absmax": counted.absmax,
        "not_finite": sum(not numbers.finite for numbers in counted.numbers),
        "over_fp16": sum(numbers.overflow > 0 for numbers in counted.numbers),
        "all_zeros": sum(numbers.dead for numbers in counted.numbers),
        "skipped": counted.skipped,
        "unread": [{"at": root + place, "because": why} for place, why in counted.unread],
        "tensors": [_tensor(numbers, root) for numbers in counted.numbers],
    }


def _tensor(numbers: Numbers, root: str) -> dict[str, Any]:
    return {
        "path": root + numbers.path,
        "key": numbers.key,
        "dtype": numbers.dtype.name,
        "shape": list(numbers.shape),
        "absmax": numbers.absmax,
        "nan": numbers.nan,
        "inf": numbers.inf,
        "minus_inf": numbers.low_inf,
        "over_fp16": numbers.overflow,
        "over_bf16": numbers.wide_overflow,
        "saturated": numbers.saturated + numbers.saturated_low,
        "casts": {cast.dtype.name: _cast(cast) for cast in numbers.narrowed},
    }


def _cast(cast: Narrowed) -> dict[str, int]:
    return {"overflow": cast.overflow, "zero": cast.zero, "subnormal": cast.subnormal, "inexact": cast.inexact}
