"""Statistics that a few wild points do not move: medians of blocks, noise, trends, peaks.

All take finite values of any scale; nothing is squared, so that neither tiny nor huge ones get lost.
"""

from itertools import pairwise

import numpy as np

from glmcore.curves.numbers import AnyArray, FloatArray

SIGMA = 1.4826  # times the median deviation: the standard deviation, of a normal distribution
_PIECE = 65_536  # points whose arrays stay in the processor's cache
UPPER_SIGMA = 0.66  # the same, of how far the points of the upper tenth are outside of their neighbours
_REACH = (2, 4, 6)  # points on each side that a peak is compared with: sees peaks of up to seven points


def block_medians(values: FloatArray, size: int, rank: float = 0.5) -> FloatArray:
    """The median of every `size` points, counted from the end; the first block may be shorter.

    The lower median is taken, so that each is a value of the curve. Another `rank` gives another quantile.
    """
    head = len(values) % size
    middle = int((size - 1) * rank)
    medians: FloatArray = np.partition(values[head:].reshape(-1, size), middle, axis=1)[:, middle]
    if not head:
        return medians
    middle = int((head - 1) * rank)
    return np.append(np.partition(values[:head], middle)[middle], medians)


def block_middles(count: int, size: int) -> AnyArray:
    """The place of the point in the middle of each block of `block_medians`."""
    head = count % size
    middles = np.arange(head + (size - 1) // 2, count, size)
    return np.append((head - 1) // 2, middles) if head else middles


def block_numbers(count: int, size: int) -> AnyArray:
    """In which block of `block_medians` each point is."""
    return np.asarray((np.arange(count) + (-count) % size) // size)


def noise(values: FloatArray) -> float:
    """The standard deviation of what is not trend, from second differences; 0 of fewer than 5 points."""
    if len(values) < 5:
        return 0.0
    bends = np.abs(values[2:] - 2 * values[1:-1] + values[:-2]) / 6**0.5
    usual = float(np.median(bends))
    return usual * SIGMA if usual else float(np.mean(bends))


def running_median(values: FloatArray, width: int = 5) -> FloatArray:
    """The median around each point; at the ends of the points that are there twice."""
    if len(values) < width:
        return values
    padded = np.pad(values, width // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return np.asarray(np.median(windows, axis=1))


def slope(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """The median of the slopes between all pairs (Theil-Sen), and how sure its sign is (Mann-Kendall's z).

    For some hundred points at most, two at least; `x` grows.
    """
    first, second = np.triu_indices(len(x), 1)
    rises = y[second] - y[first]
    count = len(x)
    agreement = float(np.sign(rises).sum())
    spread = (count * (count - 1) * (2 * count + 5) / 18) ** 0.5
    sure = (agreement - np.sign(agreement)) / spread
    return float(np.median(rises / (x[second] - x[first]))), float(sure)


def _median_of_three(first: FloatArray, second: FloatArray, third: FloatArray) -> FloatArray:
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray(np.maximum(low, np.minimum(high, third)))


def peaks(values: FloatArray, least_share: float) -> tuple[AnyArray, FloatArray]:
    """Short peaks: where they are highest, and the level around each; shapes (P,), (P,).

    A peak stands out over both of its sides: at least 8 times the usual deviation near it, at least 6 times
    what 95 of 100 points do, and at least `least_share` of the level. Where more points than 5 of 100 do,
    that is how the curve is. Long curves are judged piece by piece, which keeps memory small.
    """
    edges = np.linspace(0, len(values), -(-len(values) // _PIECE) + 1).astype(np.int64)
    places, levels = [np.empty(0, np.int64)], [np.empty(0)]
    for start, end in pairwise(edges):
        first = max(0, int(start) - 2 * max(_REACH))
        found, level = _peaks_of_piece(values[first : end + 2 * max(_REACH)], least_share)
        inside = (found + first >= start) & (found + first < end)
        places.append(found[inside] + first)
        levels.append(level[found[inside]])
    return np.concatenate(places), np.concatenate(levels)


def _peaks_of_piece(values: FloatArray, least_share: float) -> tuple[AnyArray, FloatArray]:
    """Places of peaks, and the level around every point."""
    count, margin = len(values), max(_REACH)
    padded = np.pad(values, margin, mode="edge")
    sides = [
        _median_of_three(*(padded[margin + side * reach :][:count] for reach in _REACH)) for side in (-1, 1)
    ]
    level = np.maximum(*sides)
    height = values - level
    near = _usual_nearby(np.maximum(np.maximum(height, np.minimum(*sides) - values), 0))
    is_noisy = near > 0
    rises = np.maximum(height[is_noisy], 0) / near[is_noisy]
    factor = max(8.0, 6 * float(np.quantile(rises, 0.95)) if len(rises) else 0.0)
    typical = float(np.median(np.abs(values)))
    least = np.maximum(factor * near, least_share * np.maximum(np.abs(level), typical))
    high = np.flatnonzero((height > least) & (height > 0))
    found = _highest_of_groups(high, height)
    return found[: 0 if len(found) > max(3, 0.05 * count) else None], level


def _usual_nearby(outside: FloatArray, size: int = 64) -> FloatArray:
    """The usual deviation around each point, from how far points are outside of their neighbours' levels."""
    usual = block_medians(outside, size, rank=0.9)  # a lower rank misses noise that has two levels
    padded = np.pad(usual, 1, mode="edge")
    highest = np.maximum(usual, np.maximum(padded[:-2], padded[2:]))
    return np.asarray(highest[block_numbers(len(outside), size)] * UPPER_SIGMA)


def _highest_of_groups(places: AnyArray, height: FloatArray) -> AnyArray:
    """One place for points that belong to the same peak."""
    if len(places) < 2:
        return places
    starts = np.flatnonzero(np.diff(places, prepend=places[0] - 10) > max(_REACH))
    tallest = np.maximum.reduceat(height[places], starts)
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(places))))
    winners = np.flatnonzero(height[places] == tallest[group])
    _, first = np.unique(group[winners], return_index=True)
    return np.asarray(places[winners[first]])
