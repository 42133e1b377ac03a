"""The curves that rules look at, cleaned and outlined once for all of them.

Millions of points become the medians of at most 128 blocks; only what a single point shows (NaN, zeros,
spikes) is looked for in all of them.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from glmcore.curves.findings.robust import block_medians, block_middles, noise, running_median
from glmcore.curves.metric_names import Direction, Part, direction_of, split_part
from glmcore.curves.numbers import FloatArray
from glmcore.curves.run import Run
from glmcore.curves.series import Series

MOST_BLOCKS = 128
MOST_METRICS = 200  # of a run with thousands the rules look at the first ones
LARGEST = 1e150  # as good as infinite, and small enough to reckon with
LOSS_NAMES = ("loss", "train_loss", "training_loss")
_SPEED = "per_second"
_SAME_AS_LOSS = ("perplexity", "ppl")


@dataclass(frozen=True, eq=False)
class Outline:
    """A curve as medians of blocks of equally many points.

    Attributes:
        steps: the step in the middle of each block; shape (B,).
        values: shape (B,).
    """

    steps: FloatArray
    values: FloatArray

    @cached_property
    def x(self) -> FloatArray:
        """How far through the curve each block is, 0 to 1."""
        half = self.steps / 2  # the span of the largest steps would be infinite
        x = (half - half[0]) / (half[-1] - half[0])
        return x if bool(np.all(np.diff(x) > 0)) else np.linspace(0, 1, len(half))

    @cached_property
    def smooth(self) -> FloatArray:
        return running_median(self.values)

    @cached_property
    def noise(self) -> float:
        return noise(self.values)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def tail(self) -> int:
        """How many blocks at the end tell where the curve is now."""
        return min(max(len(self) // 16, 4), 8)

    @cached_property
    def last_level(self) -> float:
        return float(np.median(self.values[-self.tail :]))


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric."""

    name: str
    series: Series

    @cached_property
    def is_finite(self) -> np.ndarray:
        return np.asarray(np.isfinite(self.series.values))

    @cached_property
    def steps(self) -> FloatArray:
        """Steps of the finite points."""
        return self.series.steps if self.is_finite.all() else self.series.steps[self.is_finite]

    @cached_property
    def values(self) -> FloatArray:
        """Values of the finite points."""
        values = self.series.values if self.is_finite.all() else self.series.values[self.is_finite]
        return np.clip(values, -LARGEST, LARGEST)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def first_step(self) -> float:
        return float(self.steps[0])

    @property
    def last_step(self) -> float:
        return float(self.steps[-1])

    @cached_property
    def outline(self) -> Outline:
        size = -(-len(self) // MOST_BLOCKS)
        if size <= 1:
            return Outline(self.steps, self.values)
        return Outline(self.steps[block_middles(len(self), size)], block_medians(self.values, size))


@dataclass(frozen=True, eq=False)
class Evidence:
    """A run at one moment.

    Attributes:
        now: seconds since 1970.
    """

    run: Run
    now: float
    _curves: dict[str, Curve] = field(default_factory=dict, repr=False)

    def curve(self, name: str, at_least: int = 1) -> Curve | None:
        """A metric that has at least so many finite points."""
        if name not in self.run.curves:
            return None
        if name not in self._curves:
            self._curves[name] = Curve(name, self.run.curves[name])
        return self._curves[name] if len(self._curves[name]) >= at_least else None

    @cached_property
    def names(self) -> list[str]:
        return [name for name, _ in zip(self.run.curves, range(MOST_METRICS), strict=False)]

    @cached_property
    def loss_name(self) -> str | None:
        """The metric that training lowers."""
        usual = [name for name in LOSS_NAMES if name in self.run.curves]
        others = [name for name in self.names if split_part(name)[1] is Part.TRAIN and _is_loss(name)]
        return next(iter(usual + others), None)

    def loss(self, at_least: int = 1) -> Curve | None:
        return self.curve(self.loss_name, at_least) if self.loss_name is not None else None

    @cached_property
    def judged_names(self) -> list[str]:
        """Metrics that get better or worse; not speeds, which have a rule of their own."""
        return [n for n in self.names if direction_of(n) is not Direction.NEITHER and _SPEED not in n]

    def evaluations(self, at_least: int = 1) -> list[Curve]:
        """Metrics of evaluations that get better or worse; perplexity only where it is not a loss' double."""
        names = [name for name in self.judged_names if split_part(name)[1] is Part.EVAL]
        if any(_is_loss(name) for name in names):
            names = [name for name in names if not name.endswith(_SAME_AS_LOSS)]
        found = (self.curve(name, at_least) for name in names)
        return [curve for curve in found if curve is not None]


def _is_loss(name: str) -> bool:
    return name.lower().endswith("loss")


def is_loss(curve: Curve) -> bool:
    return _is_loss(curve.name)
