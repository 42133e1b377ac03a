"""Fewer points for the screen, and no spike lost: the least and the greatest of each column of pixels."""

from typing import Any

import numpy as np

from glmcore.curves.numbers import AnyArray, FloatArray

LEAST_POINTS = 6  # what `max_points` must allow: both ends and two columns


def decimate(x: FloatArray, y: FloatArray, max_points: int) -> AnyArray:
    """Choose the points to draw.

    The first and the last are kept, and between them the least and the greatest of each of
    `max_points / 2 - 1` columns of equal width on x; of equal numbers of points where x goes backwards.
    Points without a finite x and y are never chosen.

    Args:
        x: shape (N,).
        y: shape (N,).
        max_points: at least `LEAST_POINTS`.

    Returns:
        Their places, increasing; shape (K,) with K at most `max_points`.
    """
    assert max_points >= LEAST_POINTS
    finite = np.isfinite(x) & np.isfinite(y)
    if finite.all():
        return _columns(x, y, max_points)
    places = np.flatnonzero(finite)
    return places[_columns(x[places], y[places], max_points)]


def visible(x: FloatArray, x_range: tuple[float, float] | None) -> slice:
    """The points inside a range of x and one more at each end, so that lines run out of the picture."""
    if x_range is None or len(x) == 0:
        return slice(0, len(x))
    low, high = x_range
    if is_sorted(x):
        first, end = int(np.searchsorted(x, low, side="left")), int(np.searchsorted(x, high, side="right"))
    else:  # NaN among them, or a clock that was set back
        inside = np.flatnonzero((x >= low) & (x <= high))
        first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
    return slice(max(first - 1, 0), min(end + 1, len(x)))


def is_sorted(x: FloatArray) -> bool:
    return bool(np.all(x[1:] >= x[:-1]))


def _columns(x: FloatArray, y: FloatArray, max_points: int) -> AnyArray:
    """The choice among points that are all finite."""
    if len(x) <= max_points:
        return np.arange(len(x))
    from tsdownsample import MinMaxDownsampler

    downsampler: Any = MinMaxDownsampler
    axes = [np.ascontiguousarray(y)]
    # tsdownsample 0.1.5 panics on an x without extent and answers nothing for one that goes backwards; from
    # 0 to 1 its columns never come out too narrow for a double.
    halves = x / 2
    span = float(halves[-1] - halves[0])
    if span > 0.0 and is_sorted(x):
        axes.insert(0, (halves - halves[0]) / span)
    chosen = downsampler().downsample(*axes, n_out=(max_points - 2) // 2 * 2)
    return np.unique(np.concatenate((chosen.astype(np.int64), [0, len(x) - 1])))
