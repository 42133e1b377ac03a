"""Statistics of lengths and the limit they suggest."""

import pytest

from glmcore.tuning.data.lengths import Bin, LengthHistogram, suggest_cutoff


def histogram_of(*lengths: int) -> LengthHistogram:
    histogram = LengthHistogram()
    for length in lengths:
        histogram.add(length)
    return histogram


def test_short_lengths_are_exact():
    histogram = histogram_of(*range(1, 101))
    assert [histogram.percentile(percent) for percent in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert (histogram.mean, histogram.max, histogram.num_rows) == (50.5, 100, 100)
    assert histogram.share_longer(90) == 0.1


@pytest.mark.parametrize(
    ("lengths", "cutoff"),
    [((1,), 8), (range(1, 101), 104), ([60] * 99 + [5000], 64), ([64] * 5, 64), ((), 8)],
)
def test_cutoff_leaves_most_rows_whole_and_is_a_multiple_of_eight(lengths, cutoff):
    assert suggest_cutoff(histogram_of(*lengths)) == cutoff


def test_long_lengths_take_little_memory_and_stay_nearly_exact():
    histogram = histogram_of(*range(1, 1_000_000, 7))
    assert len(histogram._counts) < 20_000
    assert histogram.percentile(50) == pytest.approx(500_000, rel=0.001)
    assert histogram.percentile(100) == histogram.max == 999_993
    assert histogram.mean == pytest.approx(499_997, rel=1e-5)
    assert suggest_cutoff(histogram_of(123_457), 1.0) == 123_464


def test_bins_hold_every_row_once():
    histogram = histogram_of(*range(100), *range(100), 100_000)
    bins = histogram.bins(10)
    assert sum(one.count for one in bins) == 201
    assert [one.low for one in bins] == [0, *(before.high + 1 for before in bins[:-1])]
    assert bins[0] == Bin(0, 9, 20)
    assert bins[-1] == Bin(90, 100_000, 21)


def test_bins_end_with_the_longest_row():
    assert histogram_of(3, 3).bins(10) == [Bin(0, 0, 0), Bin(1, 1, 0), Bin(2, 2, 0), Bin(3, 3, 2)]
    assert histogram_of(0).bins(3) == [Bin(0, 0, 1)]


def test_nothing_has_no_lengths():
    histogram = LengthHistogram()
    assert (histogram.mean, histogram.percentile(50), histogram.share_longer(1), histogram.bins(5)) == (
        0,
        0,
        0,
        [],
    )
