"""Standard BLEU and chrF equal sacreBLEU's, of sentences and of the corpus that their counts add up to."""

from functools import reduce
from operator import add

import pytest
from sacrebleu.metrics import BLEU, CHRF

from glmcore.tuning.scores.standard import (
    OverlapCounts,
    _tokenizer,
    bleu_signature,
    chrf_signature,
    fitting_tokenizer,
    overlap_counts,
)
from tests.tuning.cases import slow_but
from tests.tuning.scores.random_texts import random_pairs

COUNTS = pytest.mark.parametrize("count", slow_but([150], [150, 2000]))


@COUNTS
@pytest.mark.parametrize("tokenizer", ["zh", "13a"])
def test_sentence_bleu_of_random_pairs_equals_the_library(tokenizer, count):
    library = BLEU(tokenize=tokenizer, effective_order=True)
    for prediction, label in random_pairs(count, seed=7):
        expected = library.sentence_score(prediction, [label]).score
        ours = overlap_counts(prediction, label).bleu(tokenizer, of_sentence=True)
        assert ours == expected, (prediction, label)


@COUNTS
def test_sentence_chrf_of_random_pairs_equals_the_library(count):
    library = CHRF()
    for prediction, label in random_pairs(count, seed=7):
        expected = library.sentence_score(prediction, [label]).score
        assert overlap_counts(prediction, label).chrf_score() == expected, (prediction, label)


@COUNTS
def test_summed_counts_give_the_scores_of_the_corpus(count):
    predictions, labels = zip(*random_pairs(count, seed=7), strict=True)
    counts = reduce(add, map(overlap_counts, predictions, labels), OverlapCounts())
    for tokenizer in ("zh", "13a"):
        library = BLEU(tokenize=tokenizer)
        assert counts.bleu(tokenizer) == library.corpus_score(predictions, [labels]).score
        assert bleu_signature(tokenizer) == str(library.get_signature())
    library = CHRF()
    assert counts.chrf_score() == library.corpus_score(predictions, [labels]).score
    assert chrf_signature() == str(library.get_signature())


def test_no_counts_score_nothing():
    assert (OverlapCounts().bleu("zh"), OverlapCounts().chrf_score()) == (0.0, 0.0)


def test_tokenizer_follows_the_label():
    assert fitting_tokenizer("这件T恤 S-2XL 码很好看") == "zh"
    assert fitting_tokenizer("The word 好 means good.") == "13a"
    assert fitting_tokenizer("") == "13a"


def test_sacrebleu_keeps_no_texts():
    overlap_counts("remembered by nobody", "remembered by somebody")
    _tokenize, caches = _tokenizer("13a")
    assert [cache.cache_info().currsize for cache in caches] == [0, 0]
