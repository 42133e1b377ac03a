import numpy as np

from glmcore.curves.metric_names import Direction
from glmcore.curves.series import make_series
from glmcore.curves.views.best import Best, best_point, extremes, last_finite


def series_of(*values):
    return make_series(np.arange(1.0, len(values) + 1), np.array(values))


def test_the_best_point_follows_the_direction():
    series = series_of(3.0, 1.0, 5.0, 1.0)
    assert best_point(series, Direction.LOWER) == Best(2.0, 1.0)
    assert best_point(series, Direction.HIGHER) == Best(3.0, 5.0)
    assert best_point(series, Direction.NEITHER) is None


def test_what_is_not_finite_is_never_best():
    series = series_of(np.nan, -np.inf, 4.0, 2.0, np.inf, np.nan)
    assert best_point(series, Direction.LOWER) == Best(4.0, 2.0)
    assert best_point(series, Direction.HIGHER) == Best(3.0, 4.0)
    assert extremes(series) == (2.0, 4.0) and last_finite(series) == 2.0


def test_a_curve_without_numbers_has_no_best():
    for series in (series_of(), series_of(np.nan, np.inf)):
        assert best_point(series, Direction.LOWER) is None
        assert extremes(series) is None and last_finite(series) is None
