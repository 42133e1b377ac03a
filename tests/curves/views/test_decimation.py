import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.views.decimation import decimate, visible


@pytest.mark.parametrize("seed", range(5))
def test_fifty_spikes_of_one_step_in_fifty_thousand_survive_at_two_thousand_points(seed):
    random = np.random.default_rng(seed)
    x, y = np.arange(50_000.0), 2 + 0.05 * random.normal(size=50_000)
    spikes = np.arange(50) * 1_000 + random.integers(0, 1_000, 50)
    y[spikes] += 10 * (1 + random.random(50))
    chosen = decimate(x, y, 2_000)
    assert len(chosen) <= 2_000 and set(spikes) <= set(chosen.tolist())


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(5_000),
        np.repeat(np.arange(500.0), 10),
        np.r_[np.arange(2_500.0), 1e9 + np.arange(2_500.0)],
        np.linspace(0, 1e-320, 5_000),
        np.r_[-1.7e308, np.arange(4_998.0), 1.7e308],
        np.arange(5_000.0)[::-1],
        np.r_[np.arange(4_000.0), np.arange(3_000.0, 4_000.0)],
    ],
    ids=["equal", "repeated", "gap", "tiny", "huge", "backwards", "set back"],
)
def test_both_ends_and_both_extremes_are_kept_on_any_x(x):
    y = np.random.default_rng(0).normal(size=len(x))
    chosen = decimate(x, y, 200)
    assert {0, len(x) - 1, int(y.argmin()), int(y.argmax())} <= set(chosen.tolist())
    assert len(chosen) <= 200 and (np.diff(chosen) > 0).all()


def test_what_is_not_finite_is_never_chosen_and_hides_no_spike():
    y = np.zeros(10_000)
    y[::3], y[5_000] = np.nan, 7.0
    chosen = decimate(np.arange(10_000.0), y, 100)
    assert np.isfinite(y[chosen]).all() and 5_000 in chosen and chosen[0] == 1


def test_few_points_are_all_kept():
    assert decimate(np.arange(9.0), np.arange(9.0), 9).tolist() == list(range(9))
    assert len(decimate(np.zeros(0), np.zeros(0), 9)) == 0


def test_one_point_beyond_each_end_of_the_range_is_visible():
    x = np.arange(100.0)
    assert visible(x, (10, 20)) == slice(9, 22)
    assert visible(x, (10.2, 10.4)) == slice(10, 12)  # the line crosses the picture
    assert visible(x, None) == slice(0, 100)
    assert visible(np.zeros(0), (0, 1)) == slice(0, 0)


def test_a_clock_that_was_set_back_does_not_hide_points():
    x = np.r_[np.arange(50.0), np.arange(30.0, 60.0)]
    assert visible(x, (40, 45)) == slice(39, 67)


numbers = st.floats() | st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324])


@settings(max_examples=100)
@given(st.lists(st.tuples(numbers, numbers), max_size=60), st.integers(6, 40), st.booleans())
def test_any_numbers_can_be_decimated(points, max_points, in_order):
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    x = np.sort(x) if in_order else x
    chosen = decimate(x, y, max_points)
    finite = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    assert len(chosen) <= max_points and (np.diff(chosen) > 0).all()
    assert set(chosen.tolist()) <= set(finite.tolist())
    if len(finite):
        assert chosen[0] == finite[0] and chosen[-1] == finite[-1]
        assert y[chosen].max() == y[finite].max() and y[chosen].min() == y[finite].min()
