"""Standard BLEU and chrF, equal to sacreBLEU's: counts of a pair, which can be summed, and their scores.

BLEU's tokens depend on the language of all labels, known only at the end: both ways are counted.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from glmcore.tuning.scores.overlap import clipped_matches

CHINESE, OTHER = "zh", "13a"  # sacreBLEU's names of its tokenizers
BLEU_ORDERS = (1, 2, 3, 4)
CHRF_ORDERS = (1, 2, 3, 4, 5, 6)
CHINESE_CHARACTER = re.compile("[\u4e00-\u9fff]")
LATIN_WORD = re.compile("[A-Za-z]+")


@dataclass(frozen=True)
class OverlapCounts:
    """Per tokenizer: length of prediction and label, matches and n-grams per order of BLEU;
    for chrF, per order: n-grams of prediction and label, matches.
    """

    chinese: tuple[int, ...] = (0,) * 10
    other: tuple[int, ...] = (0,) * 10
    chrf: tuple[int, ...] = (0,) * 18

    def __add__(self, more: "OverlapCounts") -> "OverlapCounts":
        return OverlapCounts(
            _sums(self.chinese, more.chinese), _sums(self.other, more.other), _sums(self.chrf, more.chrf)
        )

    def bleu(self, tokenizer: str, *, of_sentence: bool = False) -> float:
        """From 0 to 100; in a sentence only orders that it is long enough for count."""
        from sacrebleu.metrics import BLEU

        length, label_length, *counts = self.chinese if tokenizer == CHINESE else self.other
        score = BLEU.compute_bleu(
            counts[:4], counts[4:], length, label_length, smooth_method="exp", effective_order=of_sentence
        )
        return float(score.score)

    def chrf_score(self) -> float:
        """From 0 to 100: F with recall counting twice, of means over the orders that both texts have."""
        orders = [self.chrf[start : start + 3] for start in range(0, len(self.chrf), 3)]
        both = [(ours, theirs, matched) for ours, theirs, matched in orders if ours and theirs]
        if not any(matched for _ours, _theirs, matched in both):
            return 0.0
        precision = recall = 0.0
        for ours, theirs, matched in both:
            precision += matched / ours
            recall += matched / theirs
        precision /= len(both)
        recall /= len(both)
        return 100 * (5 * precision * recall / (4 * precision + recall))


# A row's scores and the totals ask for the same pair, one soon after the other.
@lru_cache(maxsize=256)
def overlap_counts(prediction: str, label: str) -> OverlapCounts:
    return OverlapCounts(
        _bleu_counts(CHINESE, prediction, label),
        _bleu_counts(OTHER, prediction, label),
        _chrf_counts("".join(prediction.split()), "".join(label.split())),
    )


def fitting_tokenizer(label: str) -> str:
    """The Chinese one where Chinese characters are at least as many as words in Latin letters."""
    num_chinese = len(CHINESE_CHARACTER.findall(label))
    return CHINESE if num_chinese and num_chinese >= len(LATIN_WORD.findall(label)) else OTHER


def bleu_signature(tokenizer: str) -> str:
    """How corpus BLEU was computed, in sacreBLEU's words."""
    from sacrebleu.metrics import BLEU

    return str(BLEU(tokenize=tokenizer, references=[[""]]).get_signature())


def chrf_signature() -> str:
    from sacrebleu.metrics import CHRF

    return str(CHRF(references=[[""]]).get_signature())


def _bleu_counts(tokenizer: str, prediction: str, label: str) -> tuple[int, ...]:
    ours, theirs = _tokens(tokenizer, prediction), _tokens(tokenizer, label)
    matches = [clipped_matches(ours, theirs, order) for order in BLEU_ORDERS]
    return len(ours), len(theirs), *matches, *(max(0, len(ours) - order + 1) for order in BLEU_ORDERS)


def _chrf_counts(prediction: str, label: str) -> tuple[int, ...]:
    counts: list[int] = []
    for order in CHRF_ORDERS:
        num_theirs = max(0, len(label) - order + 1)
        num_ours = max(0, len(prediction) - order + 1) if num_theirs else 0
        counts += num_ours, num_theirs, clipped_matches(prediction, label, order)
    return tuple(counts)


def _tokens(tokenizer: str, text: str) -> list[str]:
    tokenize, caches = _tokenizer(tokenizer)
    tokens: list[str] = tokenize(text.rstrip()).split()
    for cache in caches:  # they would hold 65,536 texts each
        cache.cache_clear()
    return tokens


@lru_cache
def _tokenizer(name: str) -> tuple[Any, list[Any]]:
    """A tokenizer of sacreBLEU's and the caches that it fills."""
    from sacrebleu.metrics import BLEU
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    tokenizer = BLEU(tokenize=name).tokenizer
    return tokenizer, [type(tokenizer).__call__, TokenizerRegexp.__call__]


def _sums(ours: tuple[int, ...], theirs: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(ours, theirs, strict=True)))
