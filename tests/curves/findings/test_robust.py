import numpy as np
import pytest

from glmcore.curves.findings.evidence import Curve
from glmcore.curves.findings.robust import (
    block_medians,
    block_middles,
    block_numbers,
    noise,
    peaks,
    running_median,
    slope,
)
from tests.curves.findings.synthetic import noisy, series


def test_blocks_are_counted_from_the_end_and_give_values_of_the_curve() -> None:
    values = np.array([9.0, 1, 2, 3, 4, 100, 6])
    assert block_medians(values, 3).tolist() == [9, 2, 6]
    assert block_numbers(7, 3).tolist() == [0, 1, 1, 1, 2, 2, 2]
    assert block_middles(7, 3).tolist() == [0, 2, 5]


def test_noise_is_told_apart_from_a_trend() -> None:
    values = np.linspace(0, 50, 2000) + np.random.default_rng(0).normal(0, 0.3, 2000)
    assert noise(values) == pytest.approx(0.3, rel=0.1)


def test_a_slope_does_not_follow_single_points() -> None:
    x = np.arange(50.0)
    y = 2 * x
    y[[10, 40]] = 1e9, -1e9
    steep, sure = slope(x, y)
    assert steep == pytest.approx(2) and sure > 3


def test_a_running_median_drops_single_points() -> None:
    values = np.ones(20)
    values[[0, 7]] = 50
    assert running_median(values)[1:].tolist() == [1] * 19


def test_points_of_one_peak_are_one_and_it_is_where_it_is_highest() -> None:
    values = noisy(np.ones(100))
    values[50:53] = 5, 6, 5
    values[70:72] = 5
    places, levels = peaks(values, 0.2)
    assert places[0] == 51 and places[1] in (70, 71) and len(places) == 2
    assert levels[0] == pytest.approx(1, abs=0.1)


def test_an_outline_is_short_and_ends_near_the_end() -> None:
    outline = Curve("loss", series(np.arange(100_003.0))).outline
    assert 100 < len(outline) <= 129 and outline.steps[-1] > 995_000
    assert np.all(np.diff(outline.x) > 0)


def test_peaks_are_found_wherever_a_long_curve_is_cut() -> None:
    values = noisy(np.ones(140_000))
    spikes = [20, *range(46_600, 46_760, 40), 139_900]  # three pieces; the first ends near 46,666
    values[spikes] = 3
    assert peaks(values, 0.2)[0].tolist() == spikes
