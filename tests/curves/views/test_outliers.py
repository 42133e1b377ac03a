import numpy as np
import pytest

from glmcore.curves.views.outliers import bottom, y_range


def test_clipping_shows_the_middle_nine_tenths_and_counts_the_rest():
    values = np.r_[np.linspace(0, 1, 1_001), 1e6, -1e6]
    (low, high), num_outside = y_range([values], is_log=False, clip=True)
    assert low == pytest.approx(0.05 - 0.045, abs=0.01) and high == pytest.approx(0.95 + 0.045, abs=0.01)
    assert num_outside == np.count_nonzero((values < low) | (values > high)) >= 2


def test_without_clipping_everything_is_inside():
    (low, high), num_outside = y_range([np.array([1.0, 3.0]), np.array([2.0, np.nan])], False, False)
    assert (low, high) == pytest.approx((0.9, 3.1)) and num_outside == 0
    assert bottom((low, high), False) == pytest.approx(1.0)


def test_log_ranges_are_powers_of_ten_of_the_positive_values():
    shown, num_outside = y_range([np.array([-1.0, 0.0, 0.001, 1000.0])], True, False)
    assert shown == pytest.approx((-3.3, 3.3)) and num_outside == 0
    assert bottom(shown, True) == pytest.approx(0.001)


def test_equal_values_get_a_range_around_them():
    for value in (0.0, 5.0, -5.0):
        (low, high), _ = y_range([np.full(3, value)], False, True)
        assert low < value < high


def test_nothing_to_show_has_no_range():
    for arrays in ([], [np.zeros(0)], [np.array([np.nan, np.inf])]):
        assert y_range(arrays, False, True) == (None, 0)
    assert y_range([np.array([-1.0, 0.0])], True, False) == (None, 0)
    assert bottom(None, False) == 0.0 and bottom(None, True) == 1.0
