"""What the points of a run's log say, brought up to date by those that were added, however many there are."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from glmcore.curves.metric_names import EPOCH, Direction
from glmcore.curves.numbers import AnyArray, FloatArray, as_floats
from glmcore.curves.series import make_series
from glmcore.curves.table import PointTable
from glmcore.curves.views.best import best_point, last_finite
from glmcore.curves.views.decimation import decimate

SPARK_POINTS = 40
THIN_POINTS = 512  # of a curve that are kept for the next thinning
RUNTIME = "train_runtime"  # seconds since the first step of the attempt
CLOCK_SECONDS = 5.0  # by which a clock may be set while a run goes on


class Points:
    """Those of one log."""

    def __init__(self, table: PointTable) -> None:
        self.table = table
        self.loss, self.eval_loss = Curve(), Curve()
        self.step: float | None = None
        self.epoch: float | None = None
        self.tokens_per_second: float | None = None
        self.memory_bytes: float | None = None
        self._arrays = table.to_arrays()
        self._before: tuple[float | None, int, float] = (None, 0, 0.0)  # the moment, rows, seconds

    def read_on(self) -> None:
        """Take what was added to the table."""
        self._arrays = self.table.to_arrays()
        steps, _, metrics = self._arrays
        self.step = _last_number(steps)
        self.epoch = _last_of(metrics, EPOCH)
        self.tokens_per_second = _last_of(metrics, "tokens_per_second")
        self.memory_bytes = _last_of(metrics, "memory_bytes")
        if "loss" in metrics:
            self.loss = _gone_on(self.loss, steps, *metrics["loss"])
        if "eval_loss" in metrics:
            self.eval_loss = _gone_on(self.eval_loss, steps, *metrics["eval_loss"])

    def seconds_before(self, moment: float | None) -> float | None:
        """Seconds that the attempts took which began before a moment, or all; None where no point tells.

        What an attempt took before its first step is not known.
        """
        _, times, metrics = self._arrays
        if RUNTIME not in metrics:
            return None
        rows, ran = metrics[RUNTIME]
        until, num_read, seconds = self._before
        if until != moment:
            num_read, seconds = 0, 0.0
        if num_read < len(rows):
            new = slice(max(0, num_read - 1), None)
            took = _seconds(times[rows[new]], ran[new], moment)
            seconds += float(took[1 if num_read else 0 :].sum())
            self._before = (moment, len(rows), seconds)
        return seconds if math.isfinite(seconds) else 0.0


class Curve:
    """The points of a metric that count: the last and the lowest, and a few for a small chart."""

    def __init__(self) -> None:
        self.num_read = 0
        self.last: float | None = None
        self.best: float | None = None
        self.few: tuple[float, ...] = ()
        self._last_step = -math.inf
        self._steps = self._values = as_floats([])  # some of those that are numbers

    def go_on(self, steps: FloatArray, values: FloatArray) -> bool:
        """Take points; False, with nothing taken, where a resumed run computed again what is here."""
        added = make_series(steps, values)
        if not len(added):
            self.num_read += len(steps)
            return True
        if added.steps[0] <= self._last_step:
            return False
        self.num_read += len(steps)
        self._last_step = float(added.steps[-1])
        best, last = best_point(added, Direction.LOWER), last_finite(added)
        if best is not None:
            self.best = best.value if self.best is None else min(best.value, self.best)
            self.last = last
            self._keep(added.steps, added.values)
        return True

    def _keep(self, steps: FloatArray, values: FloatArray) -> None:
        """Thinned again and again, for the least and the greatest of each part survive each time."""
        steps, values = np.concatenate((self._steps, steps)), np.concatenate((self._values, values))
        if len(steps) > THIN_POINTS:
            chosen = decimate(steps, values, THIN_POINTS // 2)
            steps, values = steps[chosen], values[chosen]
        self._steps, self._values = steps, values
        self.few = tuple(values[decimate(steps, values, SPARK_POINTS)].tolist())


def _gone_on(curve: Curve, steps: FloatArray, rows: AnyArray, values: FloatArray) -> Curve:
    """The curve with what was added; another one, of all points, where a resumed run computed some again."""
    new = slice(curve.num_read, None)
    if not curve.go_on(steps[rows[new]], values[new]):
        curve = Curve()
        curve.go_on(steps[rows], values)
    return curve


def _seconds(times: FloatArray, ran: FloatArray, moment: float | None) -> FloatArray:
    """What passed before each point since the one before it, or since the first step of its attempt."""
    with np.errstate(invalid="ignore", over="ignore"):
        took = np.diff(ran, prepend=0.0)
        # In one attempt as much time passes by the clock as by the trainer.
        is_other = (took < 0) | (np.abs(np.diff(times, prepend=np.nan) - took) > CLOCK_SECONDS)
        took = np.where(is_other, ran, took)
        counts = np.isfinite(took) & (took > 0)
        return np.where(counts if moment is None else counts & (times < moment), took, 0.0)


def _last_of(metrics: Mapping[str, Any], name: str) -> float | None:
    return _last_number(metrics[name][1]) if name in metrics else None


def _last_number(values: FloatArray) -> float | None:
    """Among the last ones: a run that wrote no number for so long tells none."""
    values = values[-SPARK_POINTS:]
    places = np.flatnonzero(np.isfinite(values))
    return float(values[places[-1]]) if len(places) else None
