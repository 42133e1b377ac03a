"""Scores of a data set: the original's means beside sacreBLEU's corpus scores."""

import json
import math

import pytest
from sacrebleu.metrics import BLEU, CHRF

from glmcore.tuning.scores import ScoreTotals, perplexity, score_rows
from tests.tuning.scores.original import golden_rows

GOLDEN = golden_rows()
ENGLISH = [("The cat sat.", "The cat is sitting."), ("Hello", "Hello there, 你好"), ("", "Nothing")]


def totals_of(pairs):
    totals = ScoreTotals()
    for scores, (prediction, label) in zip(score_rows(pairs), pairs, strict=True):
        totals.add(scores, prediction, label)
    return totals.to_dict()


@pytest.fixture(scope="module")
def golden_pairs():
    return [(row["prediction"], row["label"]) for row in GOLDEN]


def test_means_are_those_of_the_rounded_rows(golden_pairs):
    found = totals_of(golden_pairs)
    for name in GOLDEN[0]["scores"]:
        mean = sum(row["scores"][name] for row in GOLDEN) / len(GOLDEN)
        assert found[name] == pytest.approx(mean, abs=1e-9), name
    assert (found["num_rows"], found["num_empty"]) == (len(GOLDEN), 5)


@pytest.mark.parametrize(("tokenizer", "english"), [("zh", False), ("13a", True)])
def test_corpus_scores_are_sacrebleus_with_the_tokenizer_of_most_labels(golden_pairs, tokenizer, english):
    pairs = ENGLISH if english else golden_pairs
    predictions, labels = zip(*pairs, strict=True)
    found, bleu, chrf = totals_of(pairs), BLEU(tokenize=tokenizer), CHRF()
    assert found["bleu_corpus"] == bleu.corpus_score(predictions, [labels]).score
    assert found["chrf_corpus"] == chrf.corpus_score(predictions, [labels]).score
    assert found["sacrebleu_signature"] == str(bleu.get_signature())
    assert found["chrf_signature"] == str(chrf.get_signature())


def test_totals_of_no_rows_are_zeros_that_json_can_hold():
    found = json.loads(json.dumps(ScoreTotals().to_dict(), allow_nan=False))
    assert (found["rouge-1"], found["bleu_corpus"], found["num_rows"]) == (0.0, 0.0, 0)


def test_perplexity_is_infinite_rather_than_an_error():
    assert perplexity(0.0) == 1.0
    assert perplexity(math.log(50)) == pytest.approx(50)
    assert perplexity(10_000.0) == perplexity(math.inf) == math.inf
    assert math.isnan(perplexity(math.nan))
