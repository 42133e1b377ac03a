"""Rows of two models side by side: paired, sorted, searched, written down."""

import csv
import io
import json
import math

import numpy as np
import pytest

from glmcore.jobs.prediction_table import Side
from glmcore.jobs.predictions import PredictionReader, PredictionSet
from tests.jobs.answered import answered_row, write_answers


def table(tmp_path, tuned, base=None):
    ours = PredictionSet(write_answers(tmp_path, "checkpoint-1-aa", tuned), "checkpoint-1")
    theirs = None if base is None else PredictionSet(write_answers(tmp_path, "base-bb", base), "base")
    return PredictionReader().read_pairs(ours, theirs)


@pytest.fixture
def three(tmp_path):
    """Rows 1 to 3; the base has answered two of them."""
    tuned = [
        answered_row(1, "Where is it?", "In Paris", "paris", 80, 0.5),
        answered_row(2, "谁说的", "客户", "客户说的", 20, 2.0),
        answered_row(3, 'a "quoted" word', "x", "=1+1", 50, math.nan),
    ]
    base = [answered_row(1, answer="London", score=10, loss=0.7), answered_row(2, answer="“我”", score=60)]
    return table(tmp_path, tuned, base)


def test_answers_to_one_row_stand_side_by_side(three):
    assert [(row.number, row.tuned, row.base) for row in three.rows([0, 1, 2])] == [
        (1, "paris", "London"),
        (2, "客户说的", "“我”"),
        (3, "=1+1", None),
    ]
    assert three.scores("chrf", Side.DIFFERENCE)[:2].tolist() == [70, -40]
    assert math.isnan(three.scores("chrf", Side.BASE)[2])


def test_answers_of_one_conversation_are_paired_in_their_order(tmp_path):
    tuned = [answered_row(number, answer=f"t{place}") for place, number in enumerate((1, 1, 4, 4, 4))]
    base = [answered_row(number, answer=f"b{place}") for place, number in enumerate((4, 1, 4, 1))]
    found = table(tmp_path, tuned, base)
    assert [row.base for row in found.rows(range(5))] == ["b1", "b3", "b0", "b2", None]


@pytest.mark.parametrize(
    ("name", "side", "is_worst_first", "order"),
    [
        ("chrf", Side.TUNED, True, [1, 2, 0]),
        ("chrf", Side.TUNED, False, [0, 2, 1]),
        ("chrf", Side.DIFFERENCE, True, [1, 0, 2]),
        ("chrf", Side.BASE, False, [1, 0, 2]),
        ("loss", Side.TUNED, True, [1, 0, 2]),
        ("loss", Side.TUNED, False, [0, 1, 2]),
        ("loss", Side.DIFFERENCE, False, [0, 1, 2]),
    ],
)
def test_worst_and_best_rows_come_first_and_those_without_a_score_last(
    name, side, is_worst_first, order, three
):
    assert three.order(name, side, is_worst_first=is_worst_first).tolist() == order


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("PARIS", [0]),
        ("where london", [0]),
        ("客户", [1]),
        ("谁 我", [1]),
        ('"quoted"', [2]),
        ("rouge-l", []),
        ("predict", []),
        ("paris 客户", []),
        ("  ", [0, 1, 2]),
    ],
)
def test_all_words_are_looked_for_in_question_label_and_both_answers(text, found, three):
    assert np.flatnonzero(three.search(text)).tolist() == found


def test_texts_written_in_escapes_are_found_too(tmp_path):
    folder = write_answers(tmp_path, "base-aa", [])
    escaped = json.dumps(answered_row(1, answer="客户"), ensure_ascii=True)
    (folder / "predictions.jsonl").write_text(escaped + "\n")
    found = PredictionReader().read_pairs(PredictionSet(folder, "base"), None)
    assert found.search("客户").tolist() == [True]


def test_a_csv_holds_every_score_and_no_formula(three):
    text = "".join(three.iter_csv(np.array([2, 0])))
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["row"] for row in rows] == ["3", "1"]
    assert rows[0]["tuned"] == "'=1+1" and rows[0]["base"] == rows[0]["base_chrf"] == ""
    assert rows[0]["prompt"] == 'a "quoted" word' and rows[0]["tuned_loss"] == ""
    assert (rows[1]["tuned_chrf"], rows[1]["base_chrf"], rows[1]["difference_chrf"]) == (
        "80.0",
        "10.0",
        "70.0",
    )


def test_json_lines_hold_the_texts_letter_by_letter(three):
    rows = [json.loads(line) for line in three.iter_jsonl(np.array([1, 2]))]
    assert rows[0]["tuned"] == "客户说的" and rows[0]["difference_scores"]["chrf"] == -40
    assert rows[1]["tuned"] == "=1+1" and rows[1]["base"] is None
    assert rows[1]["tuned_scores"]["loss"] is None


def test_one_model_alone_is_a_table_too(tmp_path):
    found = table(tmp_path, [answered_row(1), answered_row(2)])
    assert found.rows([1])[0].base is None
    assert np.isnan(found.scores("chrf", Side.DIFFERENCE)).all()
    assert "base" not in "".join(found.iter_csv(np.arange(2))).splitlines()[0]
    names = set(json.loads(next(found.iter_jsonl(np.arange(1)))))
    assert names == {"row", "prompt", "label", "tuned", "tuned_scores"}
    assert len(table(tmp_path / "none", [])) == 0 and not list(
        table(tmp_path / "no", []).iter_jsonl(np.arange(0))
    )
