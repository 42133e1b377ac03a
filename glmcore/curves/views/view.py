"""What a reader of curves chose to see."""

import math
from dataclasses import dataclass, field

from glmcore.core.errors import ConfigError
from glmcore.curves.metric_names import Direction, direction_of
from glmcore.curves.views.axes import Axis
from glmcore.curves.views.grouping import Band
from glmcore.curves.views.smoothing import Smoothing

DEFAULT_POINTS = 2_000


@dataclass(frozen=True, slots=True)
class StepMark:
    """A remark that someone fixed to a step of a run."""

    run_id: str
    step: float
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """One choice, the same for all charts of a page.

    Attributes:
        metrics: base names, one chart each, in this order; None for a sensible choice.
        clip: leave outliers out of the picture.
        shows_raw: the curve as logged, faint behind the smoothed one.
        shows_superseded: what a resumed run computed again.
        x_range: lowest and highest x, finite, in the axis' own unit; None for all.
        group_by: a key of the configs: one curve, the mean, for the runs that have the same value.
        directions: which way metrics are better, where their names do not say it.
        points: the most to draw of one curve, about two a pixel of a chart's width.
    """

    metrics: tuple[str, ...] | None = None
    axis: Axis = Axis.STEP
    smoothing: Smoothing = field(default_factory=Smoothing)
    log_y: bool = False
    clip: bool = False
    shows_raw: bool = True
    shows_superseded: bool = False
    shows_best: bool = True
    x_range: tuple[float, float] | None = None
    group_by: str | None = None
    band: Band = Band.STD
    points: int = DEFAULT_POINTS
    marks: tuple[StepMark, ...] = ()
    directions: tuple[tuple[str, Direction], ...] = ()

    def direction(self, metric: str) -> Direction:
        """Which way a metric is better: as the reader said, else as its name says."""
        return dict(self.directions).get(metric) or direction_of(metric)

    def __post_init__(self) -> None:
        if self.x_range is not None and not -math.inf < self.x_range[0] <= self.x_range[1] < math.inf:
            low, high = self.x_range
            raise ConfigError("The range of x is {low} to {high}; expected two numbers.", low=low, high=high)
