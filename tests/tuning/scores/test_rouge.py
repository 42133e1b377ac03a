"""ROUGE equals rouge_chinese's, also in the digits that the original rounds away."""

import pytest
from rouge_chinese import Rouge

from benchmarks.scoring import make_pairs, quiet_jieba
from glmcore.tuning.scores.rouge import rouge
from tests.tuning.cases import slow_but
from tests.tuning.scores.random_texts import random_pairs


def rouge_of_library(prediction: str, label: str) -> tuple[float, ...]:
    cut = [" ".join(quiet_jieba().cut(text)) for text in (prediction, label)]
    found = Rouge().get_scores(*cut)[0]
    return tuple(found[name]["f"] for name in ("rouge-1", "rouge-2", "rouge-l"))


@pytest.mark.parametrize("count", slow_but([150], [150, 3000]))
def test_random_pairs_equal_the_library(count):
    pairs = [pair for pair in random_pairs(count, seed=5) if pair[0].strip() and pair[1].strip()]
    assert len(pairs) > count / 2
    for pair in pairs:
        assert rouge(*pair) == rouge_of_library(*pair), pair


def test_advertisements_equal_the_library():
    for pair in make_pairs(60):
        assert rouge(*pair) == rouge_of_library(*pair), pair


def test_very_long_texts_equal_the_library():
    pair = ("今天 cat。天气……很好\n" * 40, "天气很好。a mat？今天\n" * 30)
    assert rouge(*pair) == rouge_of_library(*pair)


def test_a_sentence_of_spaces_counts_as_an_empty_word():
    assert rouge("好。\n \n好", "好。好") == rouge_of_library("好。\n \n好", "好。好") < (0.9, 1, 1)
