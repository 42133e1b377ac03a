"""One metric of one run as arrays, in the order of its steps, with what a resume replaced kept apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from glmcore.curves.numbers import FloatArray, as_floats

NONE = as_floats([])


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Points of one metric. All arrays have shape (N,).

    Attributes:
        steps: strictly increasing, finite.
        values: may hold NaN and infinities, which the run really logged.
        times: seconds since 1970, or since the run's start where the log has no clock; NaN where unknown.
        along: other axes, by metric name: "epoch", "tokens_seen"; NaN where unknown.
        superseded: points that a resumed run computed again, in the order they were written.
    """

    steps: FloatArray
    values: FloatArray
    times: FloatArray
    along: Mapping[str, FloatArray] = field(default_factory=dict)
    superseded: "Series | None" = None

    def __len__(self) -> int:
        return len(self.steps)

    def part(self, chosen: slice) -> "Series":
        """A range of its points, without what was superseded."""
        along = {name: values[chosen] for name, values in self.along.items()}
        return Series(self.steps[chosen], self.values[chosen], self.times[chosen], along)


def make_series(
    steps: FloatArray,
    values: FloatArray,
    times: FloatArray | None = None,
    along: Mapping[str, FloatArray] | None = None,
) -> Series:
    """Stitch points in the order they were written into one curve.

    A run that was resumed computes some steps again. A point counts when no later one has its step or an
    earlier one; the others are superseded. Points whose step is no number are left out (readers count them).
    """
    times = np.full(len(steps), np.nan) if times is None else times
    along = along or {}
    usable = np.isfinite(steps)
    if not usable.all():
        steps, values, times = steps[usable], values[usable], times[usable]
        along = {name: array[usable] for name, array in along.items()}
    if len(steps) < 2 or bool(np.all(steps[1:] > steps[:-1])):
        return Series(steps, values, times, along)
    least_later = np.minimum.accumulate(steps[::-1])[::-1][1:]
    counts = np.append(steps[:-1] < least_later, True)

    def take(chosen: np.ndarray) -> dict[str, FloatArray]:
        return {name: array[chosen] for name, array in along.items()}

    left = Series(steps[~counts], values[~counts], times[~counts], take(~counts))
    return Series(steps[counts], values[counts], times[counts], take(counts), left)
