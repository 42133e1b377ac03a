"""How long rows are, in tokens, counted in bounded memory; what length limit to suggest."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

EXACT_BITS = 12  # lengths below 2^12 count exactly, longer ones up to 0.05 % above what they are
CUTOFF_MULTIPLE = 8  # lengths that suit the units of a GPU
TAIL_PERCENT = 99.0  # from here on a chart's last bin takes all


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with `low` to `high` tokens, both included."""

    low: int
    high: int
    count: int


class LengthHistogram:
    """Counts of lengths; those of a million tokens and more take no more memory than short ones."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._sum = 0
        self.num_rows = 0
        self.max = 0

    def add(self, length: int) -> None:
        self._counts[_rounded(length)] += 1
        self._sum += length
        self.num_rows += 1
        self.max = max(self.max, length)

    @property
    def mean(self) -> float:
        return self._sum / self.num_rows if self.num_rows else 0.0

    def percentile(self, percent: float) -> int:
        """The shortest length that so many of a hundred rows do not exceed; 0 where there are no rows."""
        if not self.num_rows:
            return 0
        lengths = sorted(self._counts)
        upto = list(accumulate(self._counts[length] for length in lengths))
        place = bisect_left(upto, min(ceil(self.num_rows * percent / 100), self.num_rows))
        return min(lengths[place], self.max)

    def share_longer(self, length: int) -> float:
        """The share of rows that are longer than this."""
        longer = sum(count for found, count in self._counts.items() if found > length)
        return longer / self.num_rows if self.num_rows else 0.0

    def bins(self, count: int) -> list[Bin]:
        """At most so many bins of one width, for a chart; the last also holds the few very long rows."""
        if not self.num_rows:
            return []
        width = max(1, ceil((self.percentile(TAIL_PERCENT) + 1) / count))
        counts = [0] * count
        for length, rows in self._counts.items():
            counts[min(length // width, count - 1)] += rows
        last = max(index for index, rows in enumerate(counts) if rows)
        highs = [width * (index + 1) - 1 for index in range(last)] + [max(self.max, width * (last + 1) - 1)]
        return [Bin(width * index, highs[index], counts[index]) for index in range(last + 1)]


def suggest_cutoff(histogram: LengthHistogram, share: float = 0.99) -> int:
    """A length limit that leaves this share of the rows whole."""
    length = max(histogram.percentile(share * 100), 1)
    return ceil(length / CUTOFF_MULTIPLE) * CUTOFF_MULTIPLE


def _rounded(length: int) -> int:
    """The length, or where it is long the next one with few digits."""
    shift = max(0, length.bit_length() - EXACT_BITS)
    return -(-length >> shift) << shift
