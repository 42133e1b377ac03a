from pathlib import Path

import numpy as np
import pytest

from glmcore.curves.run import Run
from glmcore.curves.series import make_series
from glmcore.curves.views.axes import Axis, axis_title, run_start, x_values

steps, ones = np.array([1.0, 2.0, 3.0]), np.ones(3)


def series_at(*times, **along):
    return make_series(steps, ones, np.array(times), {name: np.array(v) for name, v in along.items()})


def test_each_axis_has_its_values_and_a_title():
    series = series_at(2e9, 2e9 + 60, 2e9 + 120, epoch=[0.1, 0.2, 0.3], tokens_seen=[10.0, 20.0, 30.0])
    assert x_values(series, Axis.STEP, None).tolist() == [1, 2, 3]
    assert x_values(series, Axis.EPOCH, None).tolist() == [0.1, 0.2, 0.3]
    assert x_values(series, Axis.TOKENS, None).tolist() == [10, 20, 30]
    assert x_values(series, Axis.RELATIVE, 2e9 - 30).tolist() == [30, 90, 150]
    assert x_values(series, Axis.WALL, None).tolist() == [2e12, 2e12 + 60_000, 2e12 + 120_000]
    assert len({axis_title(axis) for axis in Axis}) == len(Axis)


def test_the_gap_of_a_resume_is_part_of_the_relative_time():
    assert x_values(series_at(2e9, 2e9 + 1, 2e9 + 90_000), Axis.RELATIVE, None).tolist() == [0, 1, 90_000]


def test_durations_are_no_clock_times():
    series = series_at(5.0, 65.0, 125.0)
    assert x_values(series, Axis.WALL, None) is None
    assert x_values(series, Axis.RELATIVE, 5.0).tolist() == [0, 60, 120]
    assert x_values(series, Axis.RELATIVE, 2e9).tolist() == [0, 60, 120]  # the start by another log's clock


@pytest.mark.parametrize("axis", [Axis.EPOCH, Axis.TOKENS, Axis.RELATIVE, Axis.WALL])
def test_an_axis_the_run_does_not_know_is_none(axis):
    assert x_values(series_at(np.nan, np.nan, np.nan, epoch=[np.nan] * 3), axis, None) is None


def test_times_of_two_kinds_do_not_mix():
    found = x_values(series_at(3.0, 2e9, 2e9 + 5), Axis.RELATIVE, None)
    assert np.isnan(found[0]) and found[1:].tolist() == [0, 5]


def test_times_no_browser_knows_are_left_out():
    found = x_values(series_at(2e9, 1e300, np.inf), Axis.WALL, None)
    assert found[0] == 2e12 and np.isnan(found[1:]).all()


def test_a_run_starts_at_its_first_known_time():
    curves = {"a": series_at(np.nan, np.nan, np.nan), "b": series_at(np.nan, 70.0, 60.0)}
    assert run_start(Run("1", "run", Path("."), "CSV", curves)) == 60.0
    assert run_start(Run("1", "run", Path("."), "CSV", {})) is None
