import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmcore.core.errors import ConfigError
from glmcore.curves.views.smoothing import Smoothing, SmoothingMethod, smooth


def tensorboard_rule(values, weight):
    """The rule of TensorBoard, point by point."""
    if all(value == values[0] for value in values):
        return list(values)
    last, count, smoothed = 0.0, 0, []
    for value in values:
        if math.isfinite(value):
            last = last * weight + (1 - weight) * value
            count += 1
            smoothed.append(last / (1 - weight**count))
        else:
            smoothed.append(value)
    return smoothed


def distance_rule(x, values, weight):
    """The rule of Weights & Biases, point by point."""
    strength, span = min(math.sqrt(weight), 0.999), max(x) - min(x)
    last, weights, smoothed = 0.0, 0.0, []
    for place, value in enumerate(values):
        distance = max(x[place] - x[max(place - 1, 0)], 0.0) / span * 1000
        last = last * strength**distance + value
        weights = weights * strength**distance + 1
        smoothed.append(last / weights)
    return smoothed


@pytest.mark.parametrize("weight", [0.1, 0.6, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_exponential_is_what_tensorboard_shows(weight, scale):
    values = scale * (5 + np.random.default_rng(0).normal(size=20_000))
    values[[3, 700, 701]] = [np.nan, np.inf, -np.inf]
    found = smooth(np.arange(20_000.0), values, Smoothing(weight=weight))
    np.testing.assert_allclose(found, tensorboard_rule(values.tolist(), weight), rtol=1e-9, atol=1e-9 * scale)
    assert math.isnan(found[3]) and found[700] == math.inf and found[701] == -math.inf


@pytest.mark.parametrize("weight", [0.001, 0.5, 0.9, 0.9999])
def test_time_weighted_is_the_rule_of_weights_and_biases(weight):
    random = np.random.default_rng(1)
    x = np.cumsum(random.pareto(1.5, 5_000))
    x[2_000:] -= 5.0  # a clock that was set back
    values = random.normal(size=5_000)
    found = smooth(x, values, Smoothing(SmoothingMethod.TIME_WEIGHTED, weight))
    np.testing.assert_allclose(found, distance_rule(x.tolist(), values.tolist(), weight), atol=1e-9)
    assert len(found) == 5_000


def test_time_weighted_treats_runs_that_log_often_and_seldom_alike():
    often, seldom = np.arange(0.0, 10_000.0), np.arange(0.0, 10_000.0, 10.0)
    smoothing = Smoothing(SmoothingMethod.TIME_WEIGHTED, 0.9)
    fine, coarse = (smooth(x, np.sin(x / 2_000), smoothing) for x in (often, seldom))
    assert np.abs(fine[::10] - coarse)[100:].max() < 0.01


@pytest.mark.parametrize("method", list(SmoothingMethod))
def test_a_constant_curve_and_weight_zero_change_nothing(method):
    x, constant, noisy = np.arange(50.0), np.full(50, 0.1), np.sin(np.arange(50.0))
    assert (smooth(x, constant, Smoothing(method, 0.97)) == constant).all()
    assert (smooth(x, noisy, Smoothing(method, 0.0)) == noisy).all()


def test_a_weight_outside_of_its_range_is_refused():
    for weight in (-0.1, 1.0, math.nan):
        with pytest.raises(ConfigError):
            Smoothing(weight=weight)


@given(
    st.lists(st.tuples(st.floats(), st.floats()), max_size=40),
    st.sampled_from(SmoothingMethod),
    st.floats(0, 1, exclude_max=True),
)
def test_any_numbers_can_be_smoothed(points, method, weight):
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    found = smooth(x, y, Smoothing(method, weight))
    assert (np.isnan(found) == np.isnan(y)).all() and len(found) == len(y)


@pytest.mark.slow
def test_a_million_points_take_less_than_a_fifth_of_a_second():
    x, y = np.arange(1e6), np.random.default_rng(0).normal(size=1_000_000)
    taken = {}
    for method in SmoothingMethod:
        smooth(x[:10], y[:10], Smoothing(method, 0.9))  # imports pandas
        started = time.process_time()
        smooth(x, y, Smoothing(method, 0.9))
        taken[method] = time.process_time() - started
    assert max(taken.values()) < 0.2, taken
