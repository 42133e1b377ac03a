"""A resumed run as one curve: every step once, the latest word on it, the rest kept apart."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glmcore.curves.numbers import as_floats
from glmcore.curves.series import make_series

STEPS = st.one_of(
    st.integers(0, 12).map(float),
    st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.5, 2**53]),
)


def plainly_stitched(steps):
    """By the definition: places of points that count, and of those that were superseded."""
    usable = [at for at, step in enumerate(steps) if math.isfinite(step)]
    counts = [at for at in usable if not any(steps[later] <= steps[at] for later in usable if later > at)]
    return counts, [at for at in usable if at not in counts]


@given(st.lists(STEPS, max_size=40))
def test_a_point_counts_when_no_later_one_has_its_step_or_an_earlier_one(steps):
    at = as_floats(range(len(steps)))
    series = make_series(as_floats(steps), at, at + 0.5, {"epoch": at * 2})
    counts, left = plainly_stitched(steps)
    assert series.values.tolist() == counts
    assert series.steps.tolist() == [steps[one] for one in counts]
    assert (series.superseded.values.tolist() if series.superseded else []) == left
    for part in filter(None, (series, series.superseded)):
        assert np.array_equal(part.times, part.values + 0.5)
        assert np.array_equal(part.along["epoch"], part.values * 2)
        assert len(part) == len(part.steps)
    assert bool(np.all(np.diff(series.steps) > 0))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_a_run_that_goes_on_from_checkpoints_has_every_step_once(ends):
    """Each part begins somewhere before the end of the last one and reaches further."""
    steps, reached = [], 0
    for count, length in enumerate(ends):
        first = max(1, reached - count * 2)
        steps += range(first, reached + length + 1)
        reached += length
    series = make_series(as_floats(steps), as_floats(range(len(steps))))
    assert series.steps.tolist() == list(range(1, reached + 1))
    assert len(series) + (len(series.superseded) if series.superseded else 0) == len(steps)


def test_a_curve_without_a_resume_is_not_copied():
    steps, values = as_floats([1, 2, 3]), as_floats([3, 2, 1])
    series = make_series(steps, values)
    assert series.steps is steps and series.values is values and series.superseded is None
    assert np.isnan(series.times).all() and len(series.times) == 3


def test_nan_and_infinity_among_values_stay():
    series = make_series(as_floats([1, 2, 3]), as_floats([math.nan, math.inf, 1]))
    assert math.isnan(series.values[0]) and series.values[1] == math.inf


def test_no_points_and_one_point_are_curves_too():
    assert len(make_series(as_floats([]), as_floats([]))) == 0
    assert len(make_series(as_floats([5]), as_floats([1]))) == 1
    assert len(make_series(as_floats([math.nan]), as_floats([1]))) == 0


def test_a_part_of_a_curve_has_all_that_belongs_to_its_points():
    series = make_series(
        as_floats([1, 2, 3, 2]), as_floats([1, 2, 3, 4]), None, {"epoch": as_floats([1, 1, 2, 9])}
    )
    part = series.part(slice(1, 2))
    assert (part.steps.tolist(), part.values.tolist(), part.along["epoch"].tolist()) == ([2], [4], [9])
    assert part.superseded is None and series.superseded.steps.tolist() == [2, 3]
