"""BLEU-4 over characters, smoothed by NIST's geometric sequence: nltk's `sentence_bleu` with method 3.

It is what ChatGLM-6B's scripts reported, equal in every digit; standard BLEU is in `standard.py`.
"""

import math

from glmcore.tuning.scores.overlap import clipped_matches

ORDERS = (1, 2, 3, 4)


def bleu_4(prediction: str, label: str) -> float:
    """From 0 to 1, of two texts that are not empty."""
    matches = [clipped_matches(prediction, label, order) for order in ORDERS]
    if not matches[0]:
        return 0.0
    logarithms, smoothing = [], 1.0
    for order, matched in zip(ORDERS, matches, strict=True):
        num_ngrams = max(1, len(prediction) - order + 1)
        if not matched:
            smoothing *= 2
        precision = matched / num_ngrams if matched else 1 / (smoothing * num_ngrams)
        logarithms.append(0.25 * math.log(precision))
    longer = len(prediction) > len(label)
    brevity = 1.0 if longer else math.exp(1 - len(label) / len(prediction))
    return brevity * math.exp(math.fsum(logarithms))
