"""The range of a chart's y axis, with or without outliers: a tenth of the values, as TensorBoard has it.

Of all values of a chart together the 5th to the 95th percentile is shown, and a twentieth of that range at
either end.
"""

from collections.abc import Iterable

import numpy as np

from glmcore.curves.numbers import FloatArray

Range = tuple[float, float]

CLIPPED_PERCENTILES = (5.0, 95.0)
PADDING = 0.05  # of the range, at either end


def y_range(arrays: Iterable[FloatArray], is_log: bool, clip: bool) -> tuple[Range | None, int]:
    """Choose the range to show.

    Args:
        arrays: the values of the chart's curves; what is not finite, or not positive on a log scale, is
            left out.
        clip: leave outliers out of the picture.

    Returns:
        Lowest and highest y, as powers of ten on a log scale, None where nothing can be shown;
        and how many values lie outside.
    """
    values = np.concatenate([np.empty(0), *(array[np.isfinite(array)] for array in arrays)])
    if is_log:
        values = np.log10(values[values > 0.0])
    if not len(values):
        return None, 0
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.percentile(values, CLIPPED_PERCENTILES) if clip else (values.min(), values.max())
        padding = (high - low) * PADDING or abs(high) * PADDING or 1.0
        low, high = float(low - padding), float(high + padding)
    if not np.isfinite(high - low):
        return None, 0
    return (low, high), int(np.count_nonzero((values < low) | (values > high)))


def bottom(shown: Range | None, is_log: bool) -> float:
    """The y of the lowest value inside a range of `y_range`, as a value of the curve."""
    if shown is None:
        return 1.0 if is_log else 0.0
    low, high = shown
    lowest = low + (high - low) * PADDING / (1 + 2 * PADDING)
    return float(10.0 ** min(lowest, 308.0)) if is_log else lowest
