"""The scores of a whole data set, from rows that are not kept: means, and BLEU and chrF of the corpus."""

import math
from collections import Counter

from glmcore.tuning.scores.rows import RowScores
from glmcore.tuning.scores.standard import (
    CHINESE,
    OTHER,
    OverlapCounts,
    bleu_signature,
    chrf_signature,
    fitting_tokenizer,
    overlap_counts,
)


class ScoreTotals:
    """Add rows one by one; `to_dict` says how they did together so far."""

    def __init__(self) -> None:
        self.num_rows = 0
        self.num_empty = 0
        self._sums = dict.fromkeys(RowScores().to_dict(), 0.0)
        self._counts = OverlapCounts()
        self._tokenizers: Counter[str] = Counter()

    def add(self, scores: RowScores, prediction: str, label: str) -> None:
        self.num_rows += 1
        self.num_empty += not prediction.strip() or not label.strip()
        for name, value in scores.to_dict().items():
            self._sums[name] += value
        self._counts += overlap_counts(prediction, label)
        self._tokenizers[fitting_tokenizer(label)] += 1

    def to_dict(self) -> dict[str, float | str]:
        """Means of the rows' rounded scores as in the original, then the corpus, then how many rows."""
        # Half and half is best counted as Chinese: that tokenizer cuts English nearly as the other does.
        tokenizer = CHINESE if self._tokenizers[CHINESE] >= max(1, self._tokenizers[OTHER]) else OTHER
        return {
            **{name: value / max(1, self.num_rows) for name, value in self._sums.items()},
            "bleu_corpus": self._counts.bleu(tokenizer),
            "chrf_corpus": self._counts.chrf_score(),
            "sacrebleu_signature": bleu_signature(tokenizer),
            "chrf_signature": chrf_signature(),
            "num_rows": self.num_rows,
            "num_empty": self.num_empty,
        }


def perplexity(mean_loss: float) -> float:
    """e to the mean loss of a token; infinite where that is too large a number."""
    try:
        return math.exp(mean_loss)
    except OverflowError:
        return math.inf
