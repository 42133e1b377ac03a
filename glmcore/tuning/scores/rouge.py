"""ROUGE-1, -2 and -L as ChatGLM-6B's scripts had them from rouge_chinese 1.0.3, equal in every digit.

N-grams are counted without repeats, and the subsequence of ROUGE-L is that of the whole texts.
"""

import re
from typing import NamedTuple

from glmcore.tuning.scores.overlap import lcs_length, ngrams
from glmcore.tuning.scores.words import cut_words

# Ends of sentences in words joined by spaces; rouge_chinese's other two ends cannot occur there.
SENTENCE_END = re.compile("([。！？?])([^”’])")
SIX_DOTS = re.compile(r"(\.{6})([^”’])")


class Rouge(NamedTuple):
    """F measures from 0 to 1."""

    rouge_1: float
    rouge_2: float
    rouge_l: float


def rouge(prediction: str, label: str) -> Rouge:
    """Compare the words of two texts, neither of them blank."""
    ours, theirs = _counted_words(prediction), _counted_words(label)
    return Rouge(
        _ngram_f(ours, theirs, 1),
        _ngram_f(ours, theirs, 2),
        _f_measure(lcs_length(ours, theirs), len(ours), len(theirs)),
    )


def _counted_words(text: str) -> list[str]:
    """The words that rouge_chinese sees: a sentence of spaces alone is an empty word."""
    joined = " ".join(cut_words(text))
    lines = SIX_DOTS.sub(r"\1\n\2", SENTENCE_END.sub(r"\1\n\2", joined)).rstrip().split("\n")
    return [word for line in lines if line for word in line.split() or [""]]


def _ngram_f(ours: list[str], theirs: list[str], order: int) -> float:
    our_ngrams, their_ngrams = set(ngrams(ours, order)), set(ngrams(theirs, order))
    return _f_measure(len(our_ngrams & their_ngrams), len(our_ngrams), len(their_ngrams))


def _f_measure(matches: int, num_ours: int, num_theirs: int) -> float:
    precision = matches / num_ours if num_ours else 0.0
    recall = matches / num_theirs if num_theirs else 0.0
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))
