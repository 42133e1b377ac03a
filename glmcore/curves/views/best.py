"""The best, least, greatest and last values of a curve. NaN and infinities are no candidates."""

from dataclasses import dataclass

import numpy as np

from glmcore.curves.metric_names import Direction
from glmcore.curves.numbers import FloatArray
from glmcore.curves.series import Series


@dataclass(frozen=True, slots=True)
class Best:
    """Where a curve was best, and how good."""

    step: float
    value: float


def best_place(values: FloatArray, direction: Direction) -> int | None:
    """The place of the best value, the first among equals; None where nothing is better or a number."""
    if direction is Direction.NEITHER or not len(values):
        return None
    is_lower = direction is Direction.LOWER
    place = int(values.argmin() if is_lower else values.argmax())
    if np.isfinite(values[place]):  # NaN would have won
        return place
    finite = np.isfinite(values)
    if not finite.any():
        return None
    if is_lower:
        return int(np.where(finite, values, np.inf).argmin())
    return int(np.where(finite, values, -np.inf).argmax())


def best_point(series: Series, direction: Direction) -> Best | None:
    place = best_place(series.values, direction)
    return None if place is None else Best(float(series.steps[place]), float(series.values[place]))


def extremes(series: Series) -> tuple[float, float] | None:
    """The least and the greatest value."""
    finite = series.values[np.isfinite(series.values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


def last_finite(series: Series) -> float | None:
    places = np.flatnonzero(np.isfinite(series.values))
    return float(series.values[places[-1]]) if len(places) else None
