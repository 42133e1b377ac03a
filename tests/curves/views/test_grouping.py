from pathlib import Path

import numpy as np
import pytest

from glmcore.curves.run import Run
from glmcore.curves.views.grouping import Band, group_runs, mean_and_band


def run_with(name, **config):
    return Run(name, name, Path(name), "CSV", {}, config)


def test_groups_come_in_the_order_of_their_values():
    runs = [run_with("a", lr=0.1), run_with("b"), run_with("c", lr="auto"), run_with("d", lr=0.01)]
    groups = group_runs([*runs, run_with("e", lr=0.1)], "lr")
    assert [group.label for group in groups] == ["0.01", "0.1", "auto", "–"]
    assert [run.name for run in groups[1].runs] == ["a", "e"]


def test_a_nan_in_a_config_is_a_group_too():
    assert [group.label for group in group_runs([run_with("a", lr=float("nan"))], "lr")] == ["nan"]


def test_at_each_x_only_the_runs_that_reach_it_count():
    short = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])
    long = np.array([0.0, 2.0, 4.0]), np.array([3.0, 5.0, 7.0])
    curve = mean_and_band([short, long], Band.MINMAX, 100)
    assert curve.x.tolist() == [0, 1, 2, 4] and curve.num_runs.tolist() == [2, 2, 2, 1]
    assert curve.mean.tolist() == [2, 2.5, 3, 7]  # 4 at x = 1, between two points of the longer
    assert curve.low.tolist() == [1, 1, 1, 7] and curve.high.tolist() == [3, 4, 5, 7]


def test_the_band_is_the_deviation_of_a_sample():
    x = np.array([0.0, 1.0])
    curve = mean_and_band([(x, np.array([1.0, 1.0])), (x, np.array([3.0, np.nan]))], Band.STD, 100)
    assert curve.mean.tolist() == [2, 1] and curve.high.tolist() == pytest.approx([2 + 2**0.5, 1])


def test_long_runs_are_averaged_at_a_bounded_number_of_places():
    x = np.arange(100_000.0)
    curve = mean_and_band([(x, x), (x[:50_000], x[:50_000])], Band.STD, 500)
    assert len(curve.x) == 500 and curve.x[0] == 0 and curve.x[-1] == 99_999
    np.testing.assert_allclose(curve.mean, curve.x)


def test_between_runs_that_do_not_touch_the_mean_is_unknown():
    first, second = np.linspace(0, 1, 1_000), np.linspace(9, 10, 1_000)
    curve = mean_and_band([(first, first), (second, second)], Band.MINMAX, 100)
    assert np.isnan(curve.mean[curve.num_runs == 0]).all() and curve.num_runs.min() == 0


def test_no_points_make_no_curve():
    assert mean_and_band([], Band.STD, 100) is None
    assert mean_and_band([(np.array([1.0]), np.array([np.nan]))], Band.STD, 100) is None
