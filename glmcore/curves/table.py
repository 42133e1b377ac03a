"""All points of one log in typed columns that grow: 12 bytes a value, 16 a row.

Rows are what the log wrote at one moment: a step, a time, and a value for some of the metrics. Metrics have
their own columns (row number, value), since a log of 10,000 metrics has few of them in each row.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from glmcore.curves.metric_names import EPOCH, TOKENS_SEEN
from glmcore.curves.numbers import AnyArray, FloatArray
from glmcore.curves.series import Series, make_series

MAX_METRICS = 20_000  # in one run; further ones are counted, not kept
AXES = (EPOCH, TOKENS_SEEN)


class Column:
    """An array that grows at its end. What was there before never moves under those who look at it."""

    def __init__(self, first: AnyArray) -> None:
        self._room, self._length = first, len(first)

    def __len__(self) -> int:
        return self._length

    def extend(self, values: AnyArray) -> None:
        end = self._length + len(values)
        if end > len(self._room):
            room = np.empty(max(end, self._length * 5 // 4), self._room.dtype)
            room[: self._length] = self.array
            self._room = room
        self._room[self._length : end] = values
        self._length = end

    @property
    def array(self) -> AnyArray:
        """All so far, not to be written to."""
        seen = self._room[: self._length]
        seen.flags.writeable = False
        return seen


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a log that were read together.

    Attributes:
        steps: shape (R,); NaN where a row names none.
        times: shape (R,), seconds; NaN where a row names none.
        metrics: canonical name -> (row numbers inside the block, rising; values); shapes (K,), (K,).
    """

    steps: FloatArray
    times: FloatArray
    metrics: Mapping[str, tuple[AnyArray, FloatArray]] = field(default_factory=dict)


class PointTable:
    """The points of one log, in the order they were written. One thread appends, others read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps, self._times = Column(np.empty(0)), Column(np.empty(0))
        self._metrics: dict[str, tuple[Column, Column]] = {}
        self.last_step: float | None = None  # that a row named; None where none did
        self.dropped_metrics: set[str] = set()

    def __len__(self) -> int:
        """Rows."""
        return len(self._steps)

    @property
    def num_values(self) -> int:
        return sum(len(rows) for rows, _ in list(self._metrics.values()))

    @property
    def nbytes(self) -> int:
        """Of memory, about."""
        return 16 * len(self) + 12 * self.num_values

    @property
    def names(self) -> list[str]:
        return list(self._metrics)

    def append(self, block: Block) -> None:
        with self._lock:
            first = np.uint32(len(self))
            self._steps.extend(self._filled(block.steps))
            self._times.extend(block.times)
            for name, (rows, values) in block.metrics.items():
                if not len(rows):
                    continue
                if name not in self._metrics:
                    if len(self._metrics) >= MAX_METRICS:
                        if len(self.dropped_metrics) < MAX_METRICS:
                            self.dropped_metrics.add(name)
                        continue
                    self._metrics[name] = (Column(np.empty(0, np.uint32)), Column(np.empty(0)))
                at, numbers = self._metrics[name]
                at.extend(np.asarray(rows, dtype=np.uint32) + first)
                numbers.extend(values)

    def series(self, name: str) -> Series:
        """One metric as a stitched curve.

        Raises:
            KeyError: the log has no such metric.
        """
        with self._lock:
            rows, values = (column.array for column in self._metrics[name])
            steps, times = self._steps.array, self._times.array
            axes = {
                axis: tuple(column.array for column in self._metrics[axis])
                for axis in AXES
                if axis in self._metrics and axis != name
            }
        if len(rows) < len(steps):  # a metric that is in every row needs no copy
            # Clipped, since a broken cache may name rows that are not there.
            steps, times = (np.take(column, rows, mode="clip") for column in (steps, times))
        along = {axis: _along(at, found, rows) for axis, (at, found) in axes.items()}
        return make_series(steps, values, times, along)

    def to_arrays(self) -> tuple[FloatArray, FloatArray, dict[str, tuple[AnyArray, FloatArray]]]:
        """Steps, times, and rows and values per metric, as they were written."""
        with self._lock:
            metrics = {name: (rows.array, values.array) for name, (rows, values) in self._metrics.items()}
            return self._steps.array, self._times.array, metrics

    @classmethod
    def from_arrays(
        cls,
        steps: FloatArray,
        times: FloatArray,
        metrics: Mapping[str, tuple[AnyArray, FloatArray]],
        last_step: float | None,
    ) -> "PointTable":
        """A table that goes on from arrays; they are not copied until something is added."""
        table = cls()
        table._steps, table._times = Column(steps), Column(times)
        table._metrics = {name: (Column(rows), Column(values)) for name, (rows, values) in metrics.items()}
        table.last_step = last_step
        return table

    def _filled(self, steps: FloatArray) -> FloatArray:
        """A row without a step happened at the last one named; where none is ever named, rows are counted."""
        named = np.isfinite(steps)
        if named.all():
            self.last_step = float(steps[-1]) if len(steps) else self.last_step
            return steps
        places = np.where(named, np.arange(len(steps)), -1)
        last_named = np.maximum.accumulate(places)
        before = self.last_step if self.last_step is not None else np.nan
        filled = np.where(last_named >= 0, steps[np.maximum(last_named, 0)], before)
        if named.any():
            self.last_step = float(filled[-1])
        counted = len(self) + 1.0 + np.arange(len(steps))
        return np.where(np.isfinite(filled), filled, counted)


def _along(at: AnyArray, values: FloatArray, rows: AnyArray) -> FloatArray:
    """The axis' value in each of the rows, or the last one known before it."""
    if len(at) == len(rows) and bool(np.array_equal(at, rows)):
        return values
    found = np.searchsorted(at, rows, side="right") - 1
    return np.where(found >= 0, values[np.maximum(found, 0)], np.nan)
