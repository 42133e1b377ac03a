"""Scores of rows: golden numbers, blank texts, and one row at a time."""

import json

import pytest

from glmcore.tuning.scores import RowScores, score_pair, score_rows
from tests.tuning.scores.original import golden_rows, scores_of_libraries


@pytest.mark.parametrize("row", golden_rows(), ids=lambda row: repr(row["prediction"][:12]))
def test_golden_rows_have_their_numbers(row):
    assert score_pair(row["prediction"], row["label"]).to_dict() == row["scores"]


def test_golden_numbers_are_what_the_libraries_compute():
    for row in golden_rows():
        assert scores_of_libraries(row["prediction"], row["label"]) == row["scores"]


@pytest.mark.parametrize("blank", ["", " ", "\n\t\r\n", "\u3000"])
def test_a_blank_text_scores_nothing_and_does_not_raise(blank):
    pairs = [(blank, "今天"), ("今天", blank), (blank, blank)]
    assert list(score_rows(pairs)) == [RowScores()] * 3


def test_rows_come_before_all_pairs_are_there():
    def pairs():
        yield "今天", "今天"
        raise AssertionError("the second pair was asked for too early")

    assert next(score_rows(pairs())).rouge_1 == 100.0


def test_keys_are_the_originals_and_values_are_json():
    scores = json.loads(json.dumps(score_pair("今天很好", "今天").to_dict()))
    assert list(scores) == ["rouge-1", "rouge-2", "rouge-l", "bleu-4", "bleu", "chrf"]
