"""What two sequences have in common: n-grams, counted with and without repeats, and subsequences."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence


def ngrams(items: Sequence[Hashable], order: int) -> Iterable[tuple[Hashable, ...]]:
    return zip(*(items[start:] for start in range(order)), strict=False)


def clipped_matches(ours: Sequence[Hashable], theirs: Sequence[Hashable], order: int) -> int:
    """How many n-grams of ours are also theirs, each at most as often as it is theirs."""
    counts, their_counts = Counter(ngrams(ours, order)), Counter(ngrams(theirs, order))
    return sum([min(counts[ngram], their_counts[ngram]) for ngram in counts.keys() & their_counts.keys()])


def lcs_length(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    A row of the usual table is one integer here, with a 0 bit where it grows by one
    (H. Hyyrö, "Bit-parallel LCS-length computation revisited", AWOCA 2004).
    """
    places: dict[Hashable, int] = {}
    for number, item in enumerate(ours):
        places[item] = places.get(item, 0) | 1 << number
    everywhere = (1 << len(ours)) - 1
    row = everywhere
    for item in theirs:
        matched = row & places.get(item, 0)
        row = (row + matched | row - matched) & everywhere
    return len(ours) - row.bit_count()
