"""BLEU-4 equals nltk's over characters, also in the digits that the original rounds away."""

import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from benchmarks.scoring import make_pairs
from glmcore.tuning.scores.bleu_4 import bleu_4
from tests.tuning.cases import slow_but
from tests.tuning.scores.random_texts import random_pairs


def bleu_of_library(prediction: str, label: str) -> float:
    smoothing = SmoothingFunction().method3
    return sentence_bleu([list(label)], list(prediction), smoothing_function=smoothing)


@pytest.mark.parametrize("count", slow_but([200], [200, 4000]))
def test_random_pairs_equal_the_library(count):
    for pair in random_pairs(count, seed=6):
        if all(pair):
            assert bleu_4(*pair) == bleu_of_library(*pair), pair


def test_advertisements_equal_the_library():
    for pair in make_pairs(60):
        assert bleu_4(*pair) == bleu_of_library(*pair), pair


def test_texts_shorter_than_four_characters_are_smoothed():
    assert bleu_4("好", "好") == bleu_of_library("好", "好") == 0.125**0.5
    assert bleu_4("好", "坏") == 0.0
