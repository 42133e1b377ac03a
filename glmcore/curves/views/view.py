"""What a reader of curves chose to see."""

from dataclasses import dataclass, field

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
        x_range: lowest and highest x, in the axis' own unit; None for all.
        group_by: a key of the configs: one curve, the mean, for the runs that have the same value.
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
