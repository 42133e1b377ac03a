"""A text as passages: what one row of the index holds, and what PostgreSQL takes in one tsvector.

A tsvector has at most 16,383 positions, 255 of one word, and 1 MB; what is beyond would be lost silently.
Nearly every message is one passage. Passages of a longer one overlap, so that a phrase that is not longer
than the overlap is whole in one of them.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from glmcore.history.search.words import segmented

OVERLAP = 64  # words
PASSAGE_CHARS = 4_000
_MOST_WORDS = 3_000
_MOST_REPEATS = 255
# Where a text can be cut: no word goes across, and folding the two sides gives what folding the whole gives.
_GAP = re.compile(r"[\s,.;:!?，。、；：！？]")


@dataclass(frozen=True, slots=True)
class Passage:
    """Some consecutive words of a text.

    Attributes:
        start: the character of the text from which on they are found, but for the overlap.
        is_whole: there are no others.
    """

    start: int
    words: list[str]
    is_whole: bool


def passages(text: str) -> Iterator[Passage]:
    """All words of the text; nothing for a text without words."""
    overlap: list[str] = []
    for start, block in _blocks(text):
        words = overlap + segmented(block)
        at = 0 if len(words) > len(overlap) else len(words)
        while at < len(words):
            count = _fitting(words, at)
            yield Passage(start, words[at : at + count], count == len(words) and len(block) == len(text))
            at += count if at + count == len(words) else count - OVERLAP
        overlap = words[-OVERLAP:]


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """The text in parts of about `PASSAGE_CHARS`, each with its place; longer where there is no gap."""
    start = 0
    while start < len(text):
        gap = _GAP.search(text, start + PASSAGE_CHARS)
        end = gap.start() if gap else len(text)
        yield start, text[start:end]
        start = end


def _fitting(words: list[str], at: int) -> int:
    """How many words from here on one passage takes."""
    some = words[at : at + _MOST_WORDS]
    if len(some) <= _MOST_REPEATS or max(Counter(some).values()) <= _MOST_REPEATS:
        return len(some)
    counts: Counter[str] = Counter()
    for place, word in enumerate(some):
        counts[word] += 1
        if counts[word] > _MOST_REPEATS:
            return place
    return len(some)
